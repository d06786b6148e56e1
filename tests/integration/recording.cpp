// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/recording.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <set>

#include "integration/boot_option.hpp"
#include "integration/cut_chain.hpp"
#include "integration/made_files.hpp"
#include "integration/outside.hpp"
#include "integration/read_back.hpp"
#include "integration/screen.hpp"
#include "integration/standstill.hpp"
#include "tools/failure.hpp"
#include "tools/file_digest.hpp"
#include "tools/folders.hpp"
#include "tools/initramfs.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::integration {
namespace {

std::vector<Photograph> photographs_of(const Boot& boot, tools::MachineKind machine) {
    return machine == tools::MachineKind::QemuAmd ? boot.photographs : std::vector<Photograph>{};
}

std::vector<Look> looks_of(const Boot& boot, tools::MachineKind machine) {
    const bool reaches = machine == tools::MachineKind::QemuAmd || !boot.options.debugger.empty();
    return reaches ? boot.looks : std::vector<Look>{};
}

/// Follows the output of one console: types when it is time, and sees when the run is over.
class Operator {
public:
    /// `console` as in Case.
    Operator(const Boot& boot, tools::MachineKind machine, const std::string& console)
        : boot_(boot), machine_(machine), console_(console) {
        for (const Typing& typing : boot.typing)
            if (typing.console == console)
                typing_.push_back(typing);
    }

    tools::Reaction operator()(std::string_view bytes) {
        tools::Reaction reaction;
        std::vector<std::string> seen = transcript_.add(bytes);
        // As a person does. Bochs' time goes several times as fast while most of its CPUs halt: a line of input may
        // come faster than the 16 bytes of its UART are taken.
        if (std::ranges::find(seen, "bulkhead: typed bytes were lost: they came faster than they were taken") !=
                seen.end() &&
            typed_ != 0)
            reaction.type += erase_line + typing_[typed_ - 1].keys;
        seen.push_back(transcript_.unfinished());
        for (const std::string& line : seen) {
            note(line);
            if (typed_ < typing_.size() && is_time_for(typing_[typed_], line))
                reaction.type += typing_[typed_++].keys;
            for (const Photograph& picture : photographs_of(boot_, machine_))
                if (console_ == picture.console && std::regex_search(line, std::regex(picture.after)) &&
                    taken_.insert(picture.name).second)
                    photograph(recording_folder(boot_, machine_), picture.name);
            for (const Look& look : looks_of(boot_, machine_))
                if (console_.empty() && std::regex_search(line, std::regex(look.after)) &&
                    taken_.insert(look.name).second)
                    take(look);
            // A machine that could not start would sit there until the time is up.
            if (std::regex_search(line, std::regex(boot_.until.empty() ? "^bulkhead: not started: " : boot_.until)))
                reaction.stop = console_.empty();
        }
        return reaction;
    }
    [[nodiscard]] unsigned typed() const { return typed_; }

private:
    void take(const Look& look) {
        const std::filesystem::path folder = recording_folder(boot_, machine_);
        if (!look.instead)
            return look_from_outside(machine_, folder, look.name, boot_.options.memory_mib, transcript_.lines());
        std::ofstream file(folder / (look.name + ".outside"));
        for (const std::string& line : look.instead(folder))
            file << line << '\n';
    }
    void note(const std::string& line) {
        for (const Typing& typing : typing_)
            for (const std::string& pattern : typing.once)
                if (!once_.contains(pattern) && std::regex_search(line, std::regex(pattern)))
                    once_.insert(pattern);
    }
    bool is_time_for(const Typing& typing, const std::string& line) const {
        return std::ranges::all_of(typing.once, [&](const std::string& each) { return once_.contains(each); }) &&
               std::regex_search(line, std::regex(typing.after));
    }

    static constexpr char erase_line = 0x15; // Ctrl-U

    const Boot& boot_;
    tools::MachineKind machine_;
    std::string console_;
    std::set<std::string> taken_; ///< photographs and looks
    std::set<std::string> once_;  ///< of Typing::once, what was there
    std::vector<Typing> typing_;
    tools::Transcript transcript_;
    unsigned typed_ = 0;
};

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::ifstream log(file, std::ios::binary);
    tools::Transcript transcript;
    transcript.add(std::string(std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()) + "\n");
    return transcript.lines();
}

void prepare_disk(const Boot& boot, const std::string& configuration, tools::MachineKind machine,
                  const std::filesystem::path& folder) {
    const tools::ImageFile initramfs = demo_initramfs();
    for (const tools::ImageFile& file : boot.files) {
        if (file.source == container_initrd().source)
            make_container_initrd();
        if (file.source == debian_elf().source)
            make_debian_elf();
        if (file.source != initramfs.source)
            continue;
        tools::write_demo_initramfs(folder / "initramfs.cpio");
        std::filesystem::rename(folder / "initramfs.cpio", file.source); // another boot may be reading it
    }
    if (!boot.takes_inventory)
        std::ofstream(folder / "bulkhead.toml") << configuration;
    std::vector<tools::ImageFile> files = boot.files;
    for (const auto& [name, text] : boot.texts) {
        std::ofstream(folder / name) << text;
        files.push_back({name, folder / name});
    }
    for (const Damage& damage : boot.damages) {
        if (damage.is_absent)
            std::erase_if(files, [&](const tools::ImageFile& file) { return file.name == damage.file; });
        for (tools::ImageFile& file : files)
            if (file.name == damage.file && damage.size != 0) {
                std::filesystem::copy_file(file.source, folder / file.name);
                std::filesystem::resize_file(folder / file.name, damage.size);
                file.source = folder / file.name;
            }
    }
    std::optional<std::filesystem::path> addition = tools::firmware_addition(machine);
    if (boot.lists_absent_cpus) {
        addition = tools::build_folder() / "acpi_tables.efi";
        std::ofstream(folder / "absent-processors").close();
        files.push_back({"absent-processors", folder / "absent-processors"});
    }
    if (boot.options.unfit_cpus != 0) { // on QEMU they are so by themselves
        std::ofstream(folder / "unfit-processors").close();
        files.push_back({"unfit-processors", folder / "unfit-processors"});
    }
    const tools::ImageContents contents{
        .efi = boot.efi.empty() ? tools::build_folder() / "bulkhead.efi" : boot.efi,
        .addition = addition,
        .configuration = boot.takes_inventory || boot.without_configuration ? "" : folder / "bulkhead.toml",
        .files = files};
    tools::write_image(folder / "disk.img", contents);
    for (const Damage& damage : boot.damages)
        if (damage.size == 0 && !damage.is_absent)
            cut_chain(folder / "disk.img", damage.file);
    if (!boot.options.network_root.empty())
        tools::write_tree(folder / boot.options.network_root, contents);
    if (!boot.options.http_server.empty()) {
        std::filesystem::copy_file(tools::source_folder() / "tests/integration/http_server.sh",
                                   folder / "http_server.sh");
        write_variables_that_boot_from(folder / "variables.fd", "http://10.0.2.100/disk.img");
    }
}

/// Where there is no flash memory, OVMF keeps its variables in a file NvVars on the volume that it boots from.
bool firmware_writes_disk(tools::MachineKind machine) {
    return machine == tools::MachineKind::BochsIntel || machine == tools::MachineKind::BochsAmd;
}

std::string name_of_run(std::size_t index) { return "run " + std::to_string(index + 1); }

/// Boot::earlier.
void run_earlier(Boot boot, tools::MachineKind machine, const std::filesystem::path& folder) {
    boot.damages.clear();
    for (std::size_t i = 0; i < boot.earlier.size(); ++i) {
        prepare_disk(boot, boot.earlier[i], machine, folder);
        const tools::SessionEnd end = tools::run_session({.machine = machine,
                                                          .options = boot.options,
                                                          .image = folder / "disk.img",
                                                          .folder = folder,
                                                          .quiet = boot.quiet,
                                                          .total = std::chrono::seconds(1200),
                                                          .on_output = [](auto) { return tools::Reaction(); }});
        std::filesystem::rename(folder / "serial.log", folder / name_of_run(i));
        if (end != tools::SessionEnd::PoweredOff)
            throw tools::Failure(name_of_run(i) + ": " + std::string(tools::describe(end)));
    }
}

/// Boot::without_each.
void run_without_each(const Boot& boot, tools::MachineKind machine, const std::filesystem::path& folder) {
    for (const std::string& feature : boot.without_each) {
        prepare_disk(boot, boot.configuration, machine, folder);
        tools::MachineOptions options = boot.options;
        options.without = feature;
        tools::Transcript transcript;
        const auto refuses = [&](std::string_view bytes) {
            const auto says = [](const std::string& line) { return line.starts_with("bulkhead: not started: "); };
            return tools::Reaction{.type = {}, .stop = std::ranges::any_of(transcript.add(bytes), says)};
        };
        const tools::SessionEnd end = tools::run_session({.machine = machine,
                                                          .options = options,
                                                          .image = folder / "disk.img",
                                                          .folder = folder,
                                                          .quiet = boot.quiet,
                                                          .total = std::chrono::seconds(1200),
                                                          .on_output = refuses});
        std::ofstream(folder / "serial.log", std::ios::app) << tools::describe(end) << '\n';
        std::filesystem::rename(folder / "serial.log", folder / ("without " + feature));
    }
}

struct Run {
    tools::SessionEnd end{};
    unsigned typed = 0;
};

/// Boots the disk that is in `folder`.
Run run(const Boot& boot, tools::MachineKind machine, const std::filesystem::path& folder) {
    Operator person(boot, machine, "");
    std::vector<Operator> at_ports;
    for (const tools::GuestPort& port : boot.options.guest_ports)
        at_ports.emplace_back(boot, machine, port.guest);
    const auto type_at_port = [&](std::size_t port, std::string_view bytes) { return at_ports[port](bytes).type; };
    const auto keep = [&] { keep_standstill(machine, folder, boot.options.cpus); };
    const tools::SessionEnd end = tools::run_session({.machine = machine,
                                                      .options = boot.options,
                                                      .image = folder / "disk.img",
                                                      .folder = folder,
                                                      .quiet = boot.quiet,
                                                      .total = std::chrono::seconds(1200),
                                                      .keyboard = -1,
                                                      .on_output = std::ref(person),
                                                      .on_port_output = type_at_port,
                                                      .on_overdue = keep});
    unsigned typed = person.typed();
    for (const Operator& each : at_ports)
        typed += each.typed();
    return {end, typed};
}

/// To the end of the survey; what it wrote is then on the disk.
void record_survey(const Boot& boot, tools::MachineKind machine, const std::filesystem::path& folder) {
    Boot survey = boot;
    survey.until = "press a key to return to the firmware";
    survey.typing.clear();
    survey.photographs.clear();
    (void)run(survey, machine, folder);
    keep_survey(boot, folder);
}

} // namespace

std::filesystem::path recording_folder(const Boot& boot, tools::MachineKind machine) {
    return tools::build_folder() / "integration" / tools::name_of(machine) / boot.name;
}

void record(const Boot& boot, tools::MachineKind machine) {
    const std::filesystem::path folder = recording_folder(boot, machine);
    std::filesystem::remove_all(folder); // no case shall read an older recording
    std::filesystem::create_directories(folder);
    run_earlier(boot, machine, folder);
    run_without_each(boot, machine, folder);
    prepare_disk(boot, boot.configuration, machine, folder);
    if (boot.takes_inventory)
        record_survey(boot, machine, folder);
    const std::string before = tools::sha256_of_file(folder / "disk.img");
    const auto [end, typed] = run(boot, machine, folder);
    const bool wrote_disk = !firmware_writes_disk(machine) && tools::sha256_of_file(folder / "disk.img") != before;
    std::filesystem::remove(folder / "disk.img");
    std::cout << boot.name << " on " << tools::name_of(machine) << ": " << tools::describe(end) << '\n';
    if (end == tools::SessionEnd::Failed)
        throw tools::Failure(tools::where_to_look(machine, folder));
    std::ofstream(folder / "end.txt") << typed << ' ' << wrote_disk << ' ' << tools::describe(end) << '\n';
}

Recording read_recording(const Boot& boot, tools::MachineKind machine) {
    Recording recording;
    recording.serial_log = recording_folder(boot, machine) / "serial.log";
    std::ifstream end(recording.serial_log.parent_path() / "end.txt");
    end >> recording.typed >> recording.wrote_disk >> std::ws;
    if (!std::getline(end, recording.end))
        throw tools::Failure("there is no recording " + recording.serial_log.string() + ": run the boot first");

    recording.lines[""] = lines_of(recording.serial_log);
    for (const tools::GuestPort& port : boot.options.guest_ports)
        recording.lines[port.guest] = lines_of(recording.serial_log.parent_path() / tools::port_log(port));
    for (std::size_t i = 0; i < boot.earlier.size(); ++i)
        recording.lines[name_of_run(i)] = lines_of(recording.serial_log.parent_path() / name_of_run(i));
    for (const std::string& feature : boot.without_each)
        recording.lines["without " + feature] = lines_of(recording.serial_log.parent_path() / ("without " + feature));
    if (boot.takes_inventory)
        recording.lines.merge(read_survey(recording_folder(boot, machine)));
    for (const Photograph& picture : photographs_of(boot, machine))
        recording.lines["screen " + picture.name] = text_of(recording_folder(boot, machine) / (picture.name + ".ppm"));
    for (const Look& look : looks_of(boot, machine))
        recording.lines["outside " + look.name] = lines_of(recording_folder(boot, machine) / (look.name + ".outside"));
    return recording;
}

std::string judge_end(const Boot& boot, const Recording& recording) {
    const std::string_view wanted =
        tools::describe(boot.until.empty() ? tools::SessionEnd::PoweredOff : tools::SessionEnd::Stopped);
    if (recording.end != wanted)
        return recording.end + ", and should be: " + std::string(wanted);
    if (recording.typed < boot.typing.size())
        return "what should be typed after " + boot.typing[recording.typed].after + " was not";
    if (recording.wrote_disk && !boot.writes_disk)
        return "the disk was written to";
    return "";
}

} // namespace bulkhead::integration
