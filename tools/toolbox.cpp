// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/emulators.hpp"
#include "tools/folders.hpp"

namespace bulkhead::tools {

Command in_toolbox(const std::filesystem::path& folder, const std::filesystem::path& image) {
    Command command{"bwrap", "--die-with-parent", "--ro-bind", toolbox_folder(), "/"};
    append(command, {"--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"});
    append(command, {"--bind", folder, "/tmp/work", "--chdir", "/tmp/work"});
    append(command, {"--bind", std::filesystem::canonical(image), "/tmp/disk.img"});
    return command;
}

void append(Command& command, std::initializer_list<std::string> arguments) {
    command.insert(command.end(), arguments.begin(), arguments.end());
}

} // namespace bulkhead::tools
