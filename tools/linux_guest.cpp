// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/linux_guest.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/types.hpp"
#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/source_date_epoch.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view init_name = ".bulkhead/init";
constexpr std::string_view run_name = ".bulkhead/run";

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file || !std::filesystem::is_regular_file(path))
        throw Failure("cannot read '" + path.string() + "'");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::filesystem::path& path, const std::string& contents) {
    std::ofstream file(path, std::ios::binary);
    file << contents << std::flush;
    if (!file)
        throw Failure("cannot write '" + path.string() + "'");
}

/// What guests/linux-init/init.cpp reads.
std::string lines_for_init(const RootTree& root, const StartOfProgram& start, const std::string& name) {
    std::string lines;
    const auto add = [&](std::string_view key, const std::string& value) {
        lines.append(key).append(" ").append(value).push_back('\0');
    };
    const UserNumbers user = find_user(root, start.user);
    add("name", name);
    add("folder", start.folder);
    add("uid", std::to_string(user.uid));
    add("gid", std::to_string(user.gid));
    for (const std::uint32_t group : user.groups)
        add("group", std::to_string(group));
    add("environment", "HOME=" + user.home); // the image's own comes behind it
    for (const std::string& variable : start.environment)
        add("environment", variable);
    for (const std::string& argument : start.arguments)
        add("argument", argument);
    return lines;
}

/// The kernel opens it for the first program's output, before anybody has mounted /dev. Containers' file systems often
/// have an empty file there, for another device to be mounted on.
void add_console(RootTree& root) {
    const auto* there = root.find("dev/console");
    constexpr unsigned type = 0170000, character_device = 0020000;
    if (there == nullptr || (there->mode & type) != character_device)
        root.add("dev/console", {.mode = 0020600, .device_major = 5, .device_minor = 1});
}

/// The next run would pack what this one made.
void refuse_output_inside(const std::filesystem::path& root, const std::filesystem::path& output) {
    const auto inside = std::filesystem::weakly_canonical(std::filesystem::absolute(output));
    const auto outside = std::filesystem::weakly_canonical(std::filesystem::absolute(root));
    if (std::ranges::mismatch(outside, inside).in1 == outside.end())
        throw Failure("'" + output.string() + "' is in the root file system itself, '" + root.string() +
                          "': choose a folder outside of it",
                      2);
}

OciImage read_image(const LinuxGuest& guest) {
    if (guest.folder.empty() == guest.oci.empty())
        throw Failure("say where the root file system is: either --root FOLDER or --oci FOLDER", 2);
    if (guest.oci.empty() && !guest.tag.empty())
        throw Failure("--tag is of --oci: a folder has no images to choose from", 2);
    if (guest.oci.empty())
        refuse_output_inside(guest.folder, guest.output);
    OciImage image = guest.oci.empty() ? OciImage{read_root_folder(guest.folder, guest.root_owns), {}}
                                       : read_oci_image(guest.oci, guest.tag);
    if (!guest.command.empty())
        image.start.arguments = guest.command;
    return image;
}

/// Of a root file system that is not told what to run.
std::string own_init(const LinuxGuest& guest, const RootTree& root) {
    const auto has = [&](std::string_view name) {
        const RootFile* file = root.find(name);
        return file != nullptr && file->is_regular();
    };
    if (has("init"))
        return "";
    if (has("sbin/init"))
        return " rdinit=/sbin/init";
    throw Failure("nothing says what '" + (guest.oci.empty() ? guest.folder : guest.oci).string() +
                  "' runs: it has no /init, no /sbin/init and no entrypoint. Write a command behind --");
}

/// Linux keeps what it unpacks in a file system that may fill half of its memory, beside the initrd itself, and have a
/// file for every second page (mm/shmem.c).
unsigned fitting_memory(std::uintmax_t kernel, std::uintmax_t initrd, std::uintmax_t files) {
    constexpr std::uintmax_t each_file = 12 * KiB;
    const std::uintmax_t needed = 128 * MiB + 4 * kernel + 3 * initrd + each_file * files;
    return static_cast<unsigned>((needed / MiB + 63) / 64 * 64);
}

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + '"';
}

std::string configuration_of(const LinuxGuest& guest, unsigned memory, const std::string& cmdline) {
    return "[[guest]]\nname = " + quoted(guest.name) + "\ncpus = " + std::to_string(guest.cpus) + "\nmemory = \"" +
           std::to_string(memory) + " MiB\"\nkernel = " + quoted(guest.name + "-kernel") +
           "\ninitrd = " + quoted(guest.name + "-initrd") + "\ncmdline = " + quoted(cmdline) + "\n";
}

/// The name, the memory, the kernel. Nobody will find what is to become `target` where it is now.
void check_options(const std::filesystem::path& file, const std::filesystem::path& target) {
    std::string text = "of these options comes a configuration that cannot be used:";
    const CheckedConfiguration checked = read_configuration(file);
    for (std::string error : checked.errors) {
        if (error.starts_with(file.string()))
            error.replace(0, file.string().size(), target.string());
        text += "\n" + error;
    }
    if (!checked.errors.empty())
        throw Failure(text);
}

} // namespace

std::string make_linux_initrd(RootTree& root, const StartOfProgram& start, const std::string& name,
                              std::uint32_t mtime) {
    if (!start.arguments.empty()) {
        const std::string lines = lines_for_init(root, start, name);
        root.add(init_name, {.mode = 0100755, .contents = read_file(build_folder() / "guests/bulkhead-init")});
        root.add(run_name, {.mode = 0100644, .contents = lines});
    }
    add_console(root);
    return root.to_cpio(mtime);
}

std::filesystem::path make_linux_guest(const LinuxGuest& guest) {
    OciImage image = read_image(guest);
    std::string cmdline = "console=ttyS0";
    cmdline += image.start.arguments.empty() ? own_init(guest, image.root) : " rdinit=/" + std::string(init_name);
    if (!guest.append.empty())
        cmdline += ' ' + guest.append;
    if (guest.name.find('/') != std::string::npos)
        throw Failure("'" + guest.name + "' is no name of a guest", 2);
    const std::string kernel = read_file(guest.kernel);
    const std::string initrd = make_linux_initrd(image.root, image.start, guest.name, source_date_epoch(0));
    const unsigned memory =
        guest.memory_mib != 0 ? guest.memory_mib : fitting_memory(kernel.size(), initrd.size(), image.root.size());

    // What is wrong shows before anything that stands there is replaced.
    const TemporaryFolder made;
    const std::string names[] = {guest.name + "-kernel", guest.name + "-initrd", guest.name + ".toml"};
    write_file(made.path() / names[0], kernel);
    write_file(made.path() / names[1], initrd);
    write_file(made.path() / names[2], configuration_of(guest, memory, cmdline));
    check_options(made.path() / names[2], guest.output / names[2]);
    std::filesystem::create_directories(guest.output);
    for (const std::string& name : names)
        std::filesystem::copy_file(made.path() / name, guest.output / name,
                                   std::filesystem::copy_options::overwrite_existing);
    const std::filesystem::path configuration = guest.output / names[2];
    return configuration;
}

} // namespace bulkhead::tools
