// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/folders.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <system_error>
#include <utility>

#include "tools/failure.hpp"

namespace bulkhead::tools {

std::filesystem::path build_folder() { return BULKHEAD_BUILD_FOLDER; }
std::filesystem::path source_folder() { return BULKHEAD_SOURCE_FOLDER; }

std::filesystem::path toolbox_folder() {
    const std::filesystem::path link = build_folder() / "toolbox";
    if (!std::filesystem::is_directory(link))
        throw Failure("there are no emulators in " + link.string() + ": run ./bulkhead, which fetches them");
    return std::filesystem::canonical(link);
}

std::filesystem::path stock_kernel(std::string_view release) {
    const std::filesystem::path link = toolbox_folder() / "boot" / ("vmlinuz-" + std::string(release));
    if (!std::filesystem::exists(link))
        throw Failure("there is no " + link.string() + ": run ./bulkhead, which fetches it");
    return std::filesystem::canonical(link);
}

TemporaryFolder::TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bulkhead.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

ResultFolder::ResultFolder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    const std::filesystem::path lock = path_ / ".lock";
    lock_ = Descriptor(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (lock_.get() < 0)
        throw std::system_error(errno, std::generic_category(), lock.string());
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw Failure("another run uses " + path_.string() + ": wait for its end, or use another clone");
}

} // namespace bulkhead::tools
