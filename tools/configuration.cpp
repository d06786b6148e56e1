// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/configuration.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "boot/guest/kernel.hpp"
#include "config/load.hpp"
#include "config/sha256.hpp"
#include "tools/failure.hpp"
#include "tools/file_name.hpp"
#include "tools/folders.hpp"

namespace bulkhead::tools {
namespace {

/// The same separators on the host and in ImageFile, whatever the configuration uses.
std::string with_slashes(std::string_view name) {
    std::string result(name);
    std::ranges::replace(result, '\\', '/');
    return result;
}

/// What goes onto the boot volume, which is FAT: that compares names without case.
void add_file(CheckedConfiguration& result, const Located<std::string_view>& file, Diagnostics& diagnostics) {
    if (!file.given())
        return;
    const std::string name = with_slashes(file.value);
    const std::string folded = folded_name(name);
    const auto same_folded = [&](const ImageFile& other) { return folded_name(other.name) == folded; };
    const auto other = std::ranges::find_if(result.files, same_folded);
    const auto is_folder_of = [](const std::string& folder, const std::string& file) {
        return file.starts_with(folder + '/');
    };
    const auto clash = std::ranges::find_if(result.files, [&](const ImageFile& one) {
        return is_folder_of(folded_name(one.name), folded) || is_folder_of(folded, folded_name(one.name));
    });
    if (const std::string reason = why_not_a_name(name); !reason.empty())
        diagnostics.error(file.at, std::string_view(reason));
    else if (folded == configuration_name || is_folder_of(std::string(configuration_name), folded))
        diagnostics.error(file.at, "on the boot volume ", Quoted{configuration_name}, " is the configuration itself");
    else if (clash != result.files.end())
        diagnostics.error(file.at, "the boot volume cannot have both ", Quoted{name}, " and ", Quoted{clash->name},
                          ": one would be the other's folder, as FAT sees no difference between upper and lower case");
    else if (other == result.files.end())
        result.files.push_back({name, result.path.parent_path() / name});
    else if (other->name != name)
        diagnostics.error(file.at, "the boot volume cannot have both ", Quoted{name}, " and ", Quoted{other->name},
                          ": FAT sees no difference between upper and lower case");
}

std::vector<u8> read_bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The guest's memory as the hypervisor lays it out, but for the frames behind it.
std::vector<MemoryChunk> layout_of(u64 memory) {
    std::vector<MemoryChunk> chunks{{{0}, {}, std::min(memory, guest_hole_start)}};
    if (memory > guest_hole_start)
        chunks.push_back({{guest_hole_end}, {}, memory - guest_hole_start});
    return chunks;
}

} // namespace

void check_kernel(const GuestConfig& guest, u64 memory, const std::filesystem::path& folder, Diagnostics& diagnostics) {
    FolderFiles files(folder);
    const auto size_of = [&](const Located<std::string_view>& file) {
        return file.given() ? files.size(file.value).value_or(0) : 0;
    };
    const u64 kernel = size_of(guest.kernel);
    const u64 initrd = size_of(guest.initrd);
    if (kernel == 0)
        return; // reported already; so is a size of memory that is not given or is less than the files
    std::vector<u64> modules;
    for (const ModuleConfig& module : guest.modules)
        modules.push_back(size_of(module.file));
    const u64 sum = std::accumulate(modules.begin(), modules.end(), kernel + initrd);
    const bool fits = memory != 0 && (sum <= memory || guest.memory.value == 0);
    const std::vector<u8> bytes = read_bytes(folder / with_slashes(guest.kernel.value));
    const Result<KernelPlan> plan = plan_kernel({.format = static_cast<KernelFormat>(guest.kernel_format.value),
                                                 .kernel = bytes,
                                                 .initrd_size = fits ? initrd : 0,
                                                 .module_sizes = fits ? modules : std::vector<u64>(modules.size()),
                                                 .cmdline = guest.cmdline.value,
                                                 .memory = layout_of(fits ? memory : guest_hole_start)});
    if (!plan)
        diagnostics.error(guest.kernel.at, "the kernel ", Quoted{guest.kernel.value},
                          " cannot be started: ", plan.error().what, " (", Hex{plan.error().value}, ")");
}

namespace {

/// What the loader would find when it has read the files.
void check_digests(const GuestConfig& guest, const std::filesystem::path& folder, Diagnostics& diagnostics) {
    FolderFiles files(folder);
    for_each_file(guest, [&](const GuestFile& file) {
        if (!file.digest.given() || !file.path.given() || !files.size(file.path.value))
            return;
        const Sha256::Digest actual = sha256(read_bytes(folder / with_slashes(file.path.value)));
        if (!is_digest(file.digest.value, actual))
            diagnostics.error(file.digest.at, "the ", file.name, ' ', Quoted{file.path.value}, " has the SHA-256 ",
                              actual);
    });
}

/// What a machine must have so that each guest can have its share, and its ranges are there.
u64 memory_for(const Configuration& configuration) {
    u64 sizes = 0;
    u64 percent = 0;
    u64 end = 0;
    for (const GuestConfig& guest : configuration.guests) {
        sizes += guest.rest.value ? 512 * MiB : guest.memory.value;
        percent += guest.memory.percent;
        for (const Located<PhysicalRange>& range : guest.memory.ranges)
            end = std::max(end, range.value.end().value);
    }
    if (percent != 0) // the sizes are of what the shares leave
        sizes = std::max(sizes * 100 / (100 - std::min<u64>(percent, 99)), GiB);
    return std::max(sizes, end);
}

unsigned highest_cpu(const CpuRequest& request) {
    u64 highest = 0;
    for (const Located<u64>& number : request.list)
        highest = std::max(highest, number.value + 1);
    return static_cast<unsigned>(highest);
}

} // namespace

Result<u64> FolderFiles::size(std::string_view path) {
    std::error_code error;
    const std::filesystem::path file = folder_ / with_slashes(path);
    if (!std::filesystem::exists(file, error))
        return fail("there is no such file");
    if (!std::filesystem::is_regular_file(file, error))
        return fail("it is not a regular file");
    if (access(file.c_str(), R_OK) != 0)
        return fail("this user may not read it");
    const u64 size = std::filesystem::file_size(file, error);
    if (error)
        return fail("its size cannot be read");
    if (size > largest_file)
        return fail("an EFI system partition takes no file of 4 GiB or more");
    return size;
}

std::string read_configuration_text(const std::filesystem::path& path) {
    const std::filesystem::file_status status = std::filesystem::status(path);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        throw Failure("cannot read '" + path.string() +
                      "': it is not a regular file"); // to open a FIFO may last for ever
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Failure("cannot read '" + path.string() + "': " + std::strerror(errno));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> errors_of(const std::filesystem::path& path, const Diagnostics& diagnostics) {
    std::vector<std::string> errors;
    for (const Diagnostic& diagnostic : diagnostics.all()) {
        std::string buffer(path.string().size() + diagnostic.message.size() + 64, '\0');
        Text text(buffer);
        write_diagnostic(text, path.string(), diagnostic);
        errors.emplace_back(text.view());
    }
    if (diagnostics.lost() != 0)
        errors.push_back(path.string() + ": error: and " + std::to_string(diagnostics.lost()) + " more");
    return errors;
}

CheckedConfiguration read_configuration(const std::filesystem::path& path) {
    CheckedConfiguration result;
    result.path = path;
    const std::string text = read_configuration_text(path);
    FolderFiles files(path.parent_path());
    const auto storage = std::make_unique<ConfigurationStorage>();
    LoadedConfiguration loaded(*storage);
    if (!load_configuration(text, files, nullptr, loaded) && loaded.diagnostics.empty())
        result.errors.push_back(path.string() + ": error: the configuration cannot be used");

    const HypervisorConfig& hypervisor = loaded.configuration.hypervisor;
    result.reboots = hypervisor.when_off.value == static_cast<u64>(WhenOff::Reboot) ||
                     hypervisor.on_panic.value == static_cast<u64>(OnPanic::Reboot);
    result.takes_inventory = hypervisor.survey.value;
    unsigned counted = 0;
    // CPU numbers begin at 0, and those of the lists and of service-cpu must be there.
    const Located<u64>& service = loaded.configuration.hypervisor.service_cpu;
    unsigned listed = service.given() ? static_cast<unsigned>(service.value) + 1 : 0;
    for (const GuestConfig& guest : loaded.configuration.guests) {
        result.guests.emplace_back(guest.name.value);
        counted += static_cast<unsigned>(guest.cpus.count);
        listed = std::max(listed, highest_cpu(guest.cpus));
        if (guest.console_port.given())
            result.ports.push_back({result.guests.back(), static_cast<unsigned>(guest.console_port.value),
                                    static_cast<unsigned>(guest.console_irq.value)});
        for_each_file(guest, [&](const GuestFile& file) { add_file(result, file.path, loaded.diagnostics); });
        check_kernel(guest, guest.memory.value, path.parent_path(), loaded.diagnostics);
        check_digests(guest, path.parent_path(), loaded.diagnostics);
    }
    result.memory = memory_for(loaded.configuration);
    result.cpus = std::max(counted, listed);
    result.errors_lost = loaded.diagnostics.lost();
    for (std::string& error : errors_of(path, loaded.diagnostics))
        result.errors.push_back(std::move(error));
    return result;
}

CheckedConfiguration require_configuration(const std::filesystem::path& path) {
    CheckedConfiguration result = read_configuration(path);
    if (result.errors.empty())
        return result;
    std::string text = "the configuration cannot be used:";
    for (const std::string& error : result.errors)
        text += "\n" + error;
    throw Failure(text);
}

ImageContents contents_of_volume(const CheckedConfiguration& configuration,
                                 const std::optional<std::filesystem::path>& addition) {
    return {.efi = build_folder() / "bulkhead.efi",
            .addition = addition,
            .configuration = configuration.path,
            .files = configuration.files};
}

void write_image(const std::filesystem::path& image, const CheckedConfiguration& configuration,
                 const std::optional<std::filesystem::path>& addition) {
    write_image(image, contents_of_volume(configuration, addition));
}

MachineOptions fitting_machine(const CheckedConfiguration& configuration) {
    constexpr u64 spare = 768; // MiB: firmware and hypervisor
    u64 files = 0;             // before they are copied
    for (const ImageFile& file : configuration.files) {
        std::error_code none;
        const auto size = std::filesystem::file_size(file.source, none);
        files += none ? 0 : size;
    }
    const u64 needed = (configuration.memory + files + MiB - 1) / MiB + spare;
    MachineOptions options;
    options.cpus = configuration.cpus + 1;
    options.memory_mib = static_cast<unsigned>(std::max<u64>(needed, 2048));
    options.goes_on_after_reset = configuration.reboots;
    for (const GuestPort& port : configuration.ports)
        if (port.port != 0x3f8) // the machine has it already: COM1
            options.guest_ports.push_back(port);
    return options;
}

} // namespace bulkhead::tools
