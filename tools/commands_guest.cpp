// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sub-commands that make guests.
#include <fstream>
#include <iostream>
#include <memory>

#include "tools/commands.hpp"
#include "tools/linux_guest.hpp"

namespace bulkhead::tools {
namespace {

int guest_linux(const LinuxGuest& guest) {
    const std::filesystem::path configuration = make_linux_guest(guest);
    std::cout << std::ifstream(configuration).rdbuf() << "# in " << configuration.string() << ", with its files"
              << std::endl;
    return 0;
}

} // namespace

void add_guest(Commands& commands) {
    const auto guest = std::make_shared<LinuxGuest>();
    guest->name = "linux";
    CLI::App* family = commands.add("guest", "Make a guest's files");
    family->require_subcommand(1);
    CLI::App* command =
        family->add_subcommand("linux", "Pack a Linux kernel and a root file system, or a container image");
    command->add_option("--kernel", guest->kernel, "the kernel: a bzImage, or a vmlinux with a PVH note")->required();
    command->add_option("--root", guest->folder, "folder of the root file system");
    command->add_option("--oci", guest->oci, "folder of a container image: an OCI image layout");
    command->add_option("--tag", guest->tag, "which image of the layout; default: the only one");
    command->add_option("-o,--output", guest->output, "folder for what is made")->required();
    command->add_option("--name", guest->name, "the guest's name, and that of its files; default: linux");
    command->add_option("--cpus", guest->cpus, "CPUs of the guest; default: 1");
    command->add_option("--memory", guest->memory_mib, "MiB of the guest; default: what its files need");
    command->add_option("--append", guest->append, "words to add to the kernel's command line");
    command->add_flag("--root-owns", guest->root_owns,
                      "all files of the folder belong to root, whoever owns them here");
    command->add_option("COMMAND", guest->command,
                        "behind --: the program to run and its arguments; default: the image's, or the folder's init");
    command->footer(
        "Writes NAME-kernel, NAME-initrd and NAME.toml, whose lines belong into a configuration. docs/guests.md "
        "says\nhow the program is started. The same input gives the same files; SOURCE_DATE_EPOCH is their "
        "time inside.");
    commands.on(command, [guest] { return guest_linux(*guest); });
}

} // namespace bulkhead::tools
