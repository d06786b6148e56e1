// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/image.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/ending_signals.hpp"
#include "tools/failure.hpp"
#include "tools/file_name.hpp"
#include "tools/process.hpp"
#include "tools/source_date_epoch.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::uintmax_t mebibyte = 1024 * 1024;
constexpr std::uintmax_t partition_start = mebibyte; // what every partitioning tool aligns to
constexpr std::uintmax_t sector = 512;

/// FAT32 has at least 65525 clusters (UEFI 2.10 13.3.1 refers to Microsoft's FAT specification): with the smallest
/// clusters that are 32 MiB and the two tables.
constexpr std::uintmax_t smallest_partition = 40 * mebibyte;

/// Room for the two tables, the folders, and half a cluster lost per file.
std::uintmax_t partition_size(const ImageContents& contents) {
    std::uintmax_t size = std::filesystem::file_size(contents.efi);
    if (!contents.configuration.empty())
        size += std::filesystem::file_size(contents.configuration);
    for (const ImageFile& file : contents.files)
        size += std::filesystem::file_size(file.source);
    size += size / 32 + 4 * mebibyte;
    return std::max(smallest_partition, (size + mebibyte - 1) / mebibyte * mebibyte);
}

void write_partition_table(const std::string& image, std::uintmax_t partition) {
    const std::uintmax_t first = partition_start / sector;
    const std::uintmax_t last = first + partition / sector - 1;
    run_or_throw({"/usr/sbin/sgdisk", "--clear", "--disk-guid=42554C4B-4845-4144-8000-000000000001",
                  "--new=1:" + std::to_string(first) + ":" + std::to_string(last), "--typecode=1:EF00",
                  "--partition-guid=1:42554C4B-4845-4144-8000-000000000002", "--change-name=1:Bulkhead", image});
}

/// mtools on the partition: needs no privileges and no loop device.
class FatVolume {
public:
    FatVolume(const EndingSignals& signals, const std::string& image, std::uintmax_t size)
        : signals_(signals), volume_(image + "@@" + std::to_string(partition_start)) {
        constexpr std::uint32_t first_of_fat = 315'532'800, otherwise = 1'767'225'600; // 1980, 2026
        environment_ = {"TZ=UTC", "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8",
                        "SOURCE_DATE_EPOCH=" + std::to_string(source_date_epoch(otherwise, first_of_fat))};
        tool({"mformat", "-i", volume_, "-F", "-v", "BULKHEAD", "-N", "42554c4b", "-T", std::to_string(size / sector),
              "-h", "255", "-s", "63", "-H", std::to_string(partition_start / sector), "-c", cluster(size), "::"});
    }

    void copy(const std::filesystem::path& source, const std::string& name) {
        for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
            const std::string folder = name.substr(0, slash);
            if (folders_.insert(folded_name(folder)).second)
                tool({"mmd", "-i", volume_, "::/" + folder});
        }
        // Absolute: mcopy takes '-k' for an option and 'a:k' for a drive.
        tool({"mcopy", "-i", volume_, std::filesystem::absolute(source), "::/" + name});
    }

private:
    /// Sectors in a cluster: the largest that leave enough clusters for FAT32.
    static std::string cluster(std::uintmax_t size) {
        std::uintmax_t sectors = 1;
        while (sectors < 64 && size / (sectors * 2 * sector) > 70'000)
            sectors *= 2;
        return std::to_string(sectors);
    }
    void tool(const Command& command) {
        const Outcome outcome = run(command, environment_);
        signals_.check(); // it may have ended the command, too
        require_success(command, outcome);
    }

    const EndingSignals& signals_;
    std::string volume_;
    Command environment_;
    std::set<std::string> folders_;
};

/// An image under way, under a name beside it that no other file has; gone at the end of its scope unless it was
/// renamed.
class PartialFile {
public:
    explicit PartialFile(const std::filesystem::path& image)
        : name_(std::filesystem::absolute(image).string() + ".XXXXXX"), file_(mkostemp(name_.data(), O_CLOEXEC)) {
        if (file_.get() < 0)
            throw Failure("cannot write '" + image.string() + "': " + std::strerror(errno));
        const mode_t mask = umask(0);
        umask(mask);
        fchmod(file_.get(), 0666 & ~mask); // as any other new file
    }
    ~PartialFile() {
        std::error_code ignored;
        std::filesystem::remove(name_, ignored);
    }
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;

    [[nodiscard]] std::filesystem::path path() const { return name_; }
    /// Another name for it, without characters that a tool takes for something else.
    [[nodiscard]] std::string plain_path() const {
        return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file_.get());
    }

private:
    std::string name_;
    Descriptor file_;
};

/// The same for a folder.
class PartialFolder {
public:
    explicit PartialFolder(const std::filesystem::path& folder)
        : name_(std::filesystem::absolute(folder / ".").parent_path().string() + ".XXXXXX") {
        if (mkdtemp(name_.data()) == nullptr)
            throw Failure("cannot write '" + folder.string() + "': " + std::strerror(errno));
        const mode_t mask = umask(0);
        umask(mask);
        chmod(name_.c_str(), 0777 & ~mask);
    }
    ~PartialFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(name_, ignored);
    }
    PartialFolder(const PartialFolder&) = delete;
    PartialFolder& operator=(const PartialFolder&) = delete;

    [[nodiscard]] std::filesystem::path path() const { return name_; }
    /// In the place of an empty one, or of none.
    void rename(const std::filesystem::path& folder) const { std::filesystem::rename(name_, folder); }

private:
    std::string name_;
};

void require_other_file(const std::filesystem::path& image, const std::filesystem::path& input) {
    std::error_code not_there;
    if (std::filesystem::equivalent(image, input, not_there))
        throw Failure("'" + image.string() + "' is one of the files that go into the image: name another output");
}

void require_fitting(const ImageFile& file) {
    if (const std::string reason = why_not_a_name(file.name); !reason.empty())
        throw Failure("'" + file.name + "': " + reason);
    if (std::filesystem::file_size(file.source) > largest_file)
        throw Failure("'" + file.name + "': an EFI system partition takes no file of 4 GiB or more");
}

/// Every file of the volume, once, with its name from the volume's root on.
std::vector<ImageFile> files_of_volume(const ImageContents& contents) {
    std::set<std::string> names{std::string(configuration_name)};
    std::vector<ImageFile> files;
    for (const ImageFile& file : contents.files) {
        require_fitting(file);
        if (names.insert(folded_name(file.name)).second)
            files.push_back(file);
        else if (std::ranges::none_of(files, [&](const ImageFile& other) { return other.name == file.name; }))
            throw Failure("'" + file.name + "': another file has this name already, but for upper and lower case");
    }
    for (ImageFile& file : files)
        file.name.insert(0, "bulkhead/");
    if (!contents.configuration.empty())
        files.insert(files.begin(), {"bulkhead/bulkhead.toml", contents.configuration});
    files.insert(files.begin(), {contents.addition ? "EFI/BOOT/BULKHEAD.EFI" : "EFI/BOOT/BOOTX64.EFI", contents.efi});
    if (contents.addition)
        files.insert(files.begin(), {"EFI/BOOT/BOOTX64.EFI", *contents.addition});
    return files;
}

} // namespace

void write_image(const std::filesystem::path& image, const ImageContents& contents) {
    const std::vector<ImageFile> files = files_of_volume(contents);
    if (image.filename().empty())
        throw Failure("'" + image.string() + "' names no file: the image needs a name");
    const std::uintmax_t partition = partition_size(contents);
    if (std::filesystem::exists(image) && !std::filesystem::is_regular_file(image))
        throw Failure("'" + image.string() + "' is not a regular file: write the image to one, and copy that");
    for (const ImageFile& file : files)
        require_other_file(image, file.source);

    // Written beside and renamed when it is whole: a failure leaves what was there.
    const EndingSignals signals;
    const PartialFile partial(image);
    std::filesystem::resize_file(partial.path(), partition_start + partition + mebibyte);
    write_partition_table(partial.plain_path(), partition);
    FatVolume volume(signals, partial.plain_path(), partition);
    for (const ImageFile& file : files)
        volume.copy(file.source, file.name);
    signals.check();
    std::filesystem::rename(partial.path(), image);
}

constexpr auto readable_by_all = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write |
                                 std::filesystem::perms::group_read | std::filesystem::perms::others_read;

void write_tree(const std::filesystem::path& folder, const ImageContents& contents) {
    const std::vector<ImageFile> files = files_of_volume(contents);
    if (std::filesystem::exists(folder) &&
        !(std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)))
        throw Failure("'" + folder.string() + "' is there already: name a new folder, or an empty one");
    const EndingSignals signals;
    PartialFolder partial(folder);
    for (const ImageFile& file : files) {
        const std::filesystem::path target = partial.path() / file.name;
        std::filesystem::create_directories(target.parent_path());
        std::filesystem::copy_file(file.source, target);
        std::filesystem::permissions(target, readable_by_all); // a server of it may be anybody
        signals.check();
    }
    partial.rename(folder);
}

} // namespace bulkhead::tools
