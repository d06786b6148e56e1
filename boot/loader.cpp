// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/loader.hpp"

#include <algorithm>
#include <cstring>

#include "arch/x86_64/arch_capabilities.hpp"
#include "arch/x86_64/hardware.hpp"
#include "arch/x86_64/layout.hpp"
#include "base/hash.hpp"
#include "boot/configuration_name.hpp"
#include "boot/hypervisor_image.hpp"
#include "boot/journal.hpp"
#include "boot/open_screen.hpp"
#include "boot/quiesce.hpp"

namespace bulkhead::boot {

namespace {

/// What the firmware and the hand-off area may still need when guests have got their memory.
constexpr u64 reserve_size = 8 * MiB;
/// The same where guests take all there is, which the firmware's drivers shall survive until they are stopped.
constexpr u64 large_reserve_size = 32 * MiB;

/// As the hypervisor will find (vmx/capabilities.hpp).
bool needs_spare_tables() {
    return has_feature(arch::this_cpuid, CpuFeature::VMX) &&
           has_itlb_multihit(arch::cpuid(1).eax, read_arch_capabilities(arch::this_cpuid, arch::read_msr));
}

/// Whether only the machine tells how much memory the guest gets.
bool takes_what_is_there(const GuestConfig& guest) { return guest.rest.value || guest.memory.percent != 0; }

std::span<const u8> embedded_elf() { return {hypervisor_elf, hypervisor_elf_end}; }

} // namespace

/// Pages of its own for each guest, as they are mapped on its CPUs only. Known before it is placed: at most.
u64 Loader::room_to_make(const GuestConfig& guest) const {
    const u64 cpus = guest.rest.value ? machine_.cpus.size() : guest.cpus.count;
    return align_up(made_for_guest_size(guest.cmdline.value, static_cast<u32>(cpus)), page_size);
}

Result<void> Loader::load(u64 start_tsc, u64 waited) {
    times_.start = start_tsc;
    times_.waiting = waited;
    struct Stage {
        std::string_view name;
        Result<void> (Loader::*run)();
    };
    static constexpr Stage stages[] = {
        {"machine", &Loader::look_at_machine},
        {"configuration's file", &Loader::read_configuration},
        {"configuration", &Loader::parse_configuration},
        {"own memory", &Loader::take_own_memory},
        {"room for files", &Loader::take_file_memory},
        {"placement", &Loader::place_guests},
        {"files", &Loader::read_files},
        {"guests", &Loader::make_guests},
        {"checksums", &Loader::hash_guests},
        {"hypervisor", &Loader::load_hypervisor},
        {"hand-off", &Loader::fill_boot_info},
    };
    static_assert(std::size(stages) + stages_of_leaving == BootStages::of_loader);
    Result<void> done;
    for (const Stage& stage : stages)
        if (done) {
            begin_stage(stage.name);
            done = (this->*stage.run)();
            if (!done && &stage == std::begin(stages)) // why this machine cannot, is what an inventory tells
                wants_inventory_ = lacks_configuration();
        }
    volume_.close();
    return done;
}

void Loader::begin_stage(std::string_view name) {
    Line<80> line;
    stages_.begin(name, arch::read_tsc(), line);
    firmware_.console.say(line.view());
}

Result<void> Loader::look_at_machine() {
    if (const auto done = memory_.prepare(); !done)
        return done;
    const auto machine = discover_machine(firmware_);
    if (!machine)
        return std::unexpected(machine.error());
    machine_ = *machine;
    Line<120> line;
    line << u64{machine_.cpus.size()} << (machine_.cpus.size() == 1 ? " CPU" : " CPUs") << ", Secure Boot "
         << (secure_boot(firmware_) ? "on" : "off") << ", screen ";
    if (can_show_text(machine_.framebuffer))
        line << machine_.framebuffer.width << " x " << machine_.framebuffer.height;
    else
        line << "none";
    firmware_.console.say(line.view());
    return check_registers(machine_);
}

/// Whether there is none for any machine. What the machine's own would be called is not known yet.
bool Loader::lacks_configuration() {
    if (!volume_.open())
        return volume_.lacks_folder();
    const auto size = volume_.size(common_configuration);
    return !size && size.error().what == std::string_view(Files::not_there);
}

Result<void> Loader::read_text() {
    if (const auto done = volume_.open(); !done) {
        wants_inventory_ = volume_.lacks_folder();
        return done;
    }
    static const ConfigurationNames names(machine_.smbios);
    Result<u64> size = 0;
    for (const auto& name : names.all()) {
        configuration_file_ = name.view();
        size = volume_.size(configuration_file_);
        // Where a server does not answer, say, another machine's configuration must not be taken for this one's.
        if (size || size.error().what != std::string_view(Files::not_there))
            break;
    }
    if (!size && size.error().what != std::string_view(Files::not_there))
        return std::unexpected(size.error());
    if (!size) {
        wants_inventory_ = true;
        return fail("there is no configuration, \\bulkhead\\bulkhead.toml, on the volume that this program came from");
    }
    if (*size > max_configuration_size)
        return fail("the configuration is longer than 256 KiB, bytes", *size);
    if (*size == 0)
        return fail("the configuration is empty");
    const auto address = memory_.take(*size, page_size, anywhere);
    if (!address)
        return std::unexpected(address.error());
    text_ = {at_physical<char>(*address), *size};
    return volume_.read(configuration_file_, at_physical<u8>(*address, *size));
}

/// A file that cannot be used is none, where another configuration has worked.
Result<void> Loader::read_configuration() {
    readable_ = read_text();
    if (readable_ || wants_inventory_ || !can_fall_back())
        return readable_;
    Line<200> line;
    line << configuration_file_ << ": " << readable_.error().what;
    if (readable_.error().value != 0)
        line << ' ' << readable_.error().value;
    firmware_.console.say(line.view());
    text_ = {};
    return {};
}

/// Prints every fault.
Result<void> Loader::refuse_configuration() const {
    for (const Diagnostic& diagnostic : loaded_.diagnostics.all()) {
        Line<512> line;
        write_diagnostic(line, configuration_file_, diagnostic);
        line << '\n';
        firmware_.console.print(line.view());
    }
    return fail("faults in the configuration", loaded_.diagnostics.all().size() + loaded_.diagnostics.lost());
}

/// What there is to give away at this moment.
Result<Machine> Loader::machine_for_guests() {
    const bool all = std::ranges::any_of(loaded_.configuration.guests, takes_what_is_there);
    const auto free = memory_.free_but(all ? large_reserve_size : reserve_size);
    if (!free)
        return std::unexpected(free.error());
    return Machine{.cpus = machine_.cpus.first(std::min<u64>(machine_.cpus.size(), max_cpus)),
                   .free_memory = *free,
                   .nodes = machine_.nodes};
}

/// What is wrong in the file, and what of it is too much for this machine, is reported together.
Result<void> Loader::parse(std::string_view text) {
    text_ = text;
    const bool is_right = load_configuration(text_, volume_, nullptr, loaded_);
    wants_inventory_ = loaded_.configuration.hypervisor.survey.value;
    if (wants_inventory_)
        return fail("the configuration asks for an inventory (survey = true)");
    if (is_right) {
        keep_listed_memory_free();
        return {};
    }
    const auto machine = machine_for_guests();
    if (!machine)
        return std::unexpected(machine.error());
    (void)load_configuration(text_, volume_, &*machine, loaded_);
    return refuse_configuration();
}

Result<void> Loader::fall_back(std::string_view text, std::string_view reason) {
    firmware_.console.say(reason);
    firmware_.console.say("the last configuration that worked is used instead, as the firmware's variables have it");
    configuration_file_ = "the last configuration that worked"; // in what is said of it from here on
    is_fallback_ = true;
    // What is read next into the same buffer must not change it.
    const auto address = memory_.take(text.size(), page_size, anywhere);
    if (!address)
        return std::unexpected(address.error());
    std::ranges::copy(text, at_physical<char>(*address));
    return parse({at_physical<char>(*address), text.size()});
}

/// A boot that comes to nothing is known by the next one as such.
void Loader::begin_attempt() {
    if (!loaded_.configuration.hypervisor.fallback.value)
        return;
    if (!last_.begin(text_))
        firmware_.console.say("the firmware cannot keep this configuration: if it fails, or a later one, no boot falls "
                              "back to it");
}

Result<void> Loader::parse_configuration() {
    const std::string_view given = text_;
    Result<void> parsed = readable_ ? parse(given) : readable_;
    const bool wanted = !wants_inventory_ && (!parsed || loaded_.configuration.hypervisor.fallback.value);
    if (const std::string_view other = last_.other_than(given); wanted && !other.empty()) {
        if (!parsed)
            parsed = fall_back(other, "this configuration has errors");
        else if (last_.failures_of(given) != 0)
            parsed = fall_back(other, "the boot before, with this configuration, did not get to its guests");
        else if (const auto machine = machine_for_guests();
                 machine && !load_configuration(text_, volume_, &*machine, loaded_)) {
            (void)refuse_configuration();
            parsed = fall_back(other, "this configuration asks for what this machine has not");
        }
    }
    if (parsed)
        begin_attempt();
    return parsed;
}

/// What a guest is to have at an address that the configuration says is nobody else's, this program's included.
void Loader::keep_listed_memory_free() {
    u64 ranges = 0; // of all guests, one list behind the other
    for (const GuestConfig& guest : loaded_.configuration.guests)
        ranges += guest.memory.ranges.size();
    memory_.keep_free(std::span(storage_.memory_ranges).first(ranges));
}

/// Where it was at the boot before: at an address that does not depend on anything, above what OVMF uses of memory
/// before it looks for a boot entry. Who loses the records of a boot still has a machine that works.
void Loader::take_journal() {
    if (!loaded_.configuration.hypervisor.log.value)
        return;
    constexpr u64 candidates[] = {64 * MiB, 128 * MiB, 256 * MiB, 512 * MiB, GiB};
    for (const u64 address : candidates) {
        if (memory_.is_kept_free({{address}, sizeof records_}) || !memory_.take_at({address}, sizeof records_))
            continue;
        journal_ = at_physical<JournalEntry>({address}, records_.size());
        // What the firmware may have put there long ago must not come out of a cache later.
        arch::flush_cache(journal_.data(), journal_.size_bytes());
        record_count_ = read_journal(journal_, records_);
        return;
    }
    firmware_.console.say("there is no memory for the journal: what happens now is forgotten at a reset");
}

Result<void> Loader::take_own_memory() {
    take_journal();
    const auto free = memory_.free();
    if (!free)
        return std::unexpected(free.error());
    u64 free_bytes = 0;
    for (const PhysicalRange& range : *free)
        free_bytes += range.size;
    const u64 guest_bytes = most_guest_memory(loaded_.configuration, free_bytes);
    const auto elf = parse_elf(embedded_elf());
    if (!elf)
        return std::unexpected(elf.error());
    elf_ = *elf;
    image_.size = elf_.size;
    pool_.size =
        pool_size(machine_.cpus.size(), loaded_.configuration.guests.size(), guest_bytes, needs_spare_tables());
    // Below 4 GiB: the other processors start in a mode of 32 bits, on page tables out of the pool.
    for (PhysicalRange* range : {&image_, &pool_}) {
        const auto address = memory_.take(range->size, large_page_size, below_4_gib);
        if (!address)
            return std::unexpected(address.error());
        range->start = *address;
    }
    const auto trampoline = memory_.take_low_page();
    if (!trampoline)
        return std::unexpected(trampoline.error());
    trampoline_ = *trampoline;
    return {};
}

const FileInMemory* Loader::find_file(std::string_view path) const {
    const auto found = std::ranges::find(files_, path, &FileInMemory::path);
    return found == files_.end() ? nullptr : found;
}

std::span<const u8> Loader::bytes_of(std::string_view path) const {
    const FileInMemory* file = find_file(path);
    return file == nullptr ? std::span<const u8>() : file->bytes;
}

Result<void> Loader::take_memory_of(std::string_view path) {
    if (path.empty() || find_file(path) != nullptr)
        return {};
    const auto size = volume_.size(path);
    if (!size)
        return std::unexpected(size.error());
    const auto address = memory_.take(align_up(*size, large_page_size), large_page_size, layout::pristine_size);
    if (!address)
        return std::unexpected(address.error());
    if (!files_.push_back({.path = path, .bytes = at_physical<u8>(*address, *size)}))
        return fail("too many files", files_.size());
    return {};
}

Result<void> Loader::take_memory_of(const GuestConfig& guest) {
    for (const std::string_view path : {guest.kernel.value, guest.initrd.value})
        if (const auto done = take_memory_of(path); !done)
            return done;
    for (const ModuleConfig& module : guest.modules)
        if (const auto done = take_memory_of(module.file.value); !done)
            return done;
    return {};
}

Result<void> Loader::take_memory_to_make_guests() {
    for (const GuestConfig& guest : loaded_.configuration.guests)
        made_.size += room_to_make(guest);
    const auto address = memory_.take(made_.size, page_size, layout::pristine_size);
    if (!address)
        return std::unexpected(address.error());
    made_.start = *address;
    return {};
}

Result<void> Loader::take_file_memory() {
    for (const GuestConfig& guest : loaded_.configuration.guests)
        if (const auto done = take_memory_of(guest); !done)
            return done;
    return take_memory_to_make_guests();
}

void Loader::print_plan() const {
    static char buffer[8 * KiB];
    Text plan(buffer);
    write_plan(plan, loaded_.configuration, loaded_.plan, {.cpus = machine_.cpus, .free_memory = {}, .nodes = {}});
    firmware_.console.print(plan.view());
}

Result<void> Loader::place_guests() {
    const auto machine = machine_for_guests();
    if (!machine)
        return std::unexpected(machine.error());
    if (!load_configuration(text(), volume_, &*machine, loaded_))
        return refuse_configuration();
    print_plan();
    for (const GuestPlan& guest : loaded_.plan.guests)
        for (const MemoryChunk& chunk : guest.memory)
            if (const auto done = memory_.take_at(chunk.host, chunk.size); !done)
                return done;
    return {};
}

Result<void> Loader::read_files() {
    for (const auto& [path, bytes] : files_)
        if (const auto done = volume_.read(path, bytes); !done)
            return done;
    times_.reading = volume_.ticks() + variables_.ticks();
    verify_files();
    return {};
}

/// A kernel that is none costs its guest alone: the hypervisor says so where the guest would have started.
Result<void> Loader::make_guests() {
    std::span<u8> room = at_physical<u8>(made_.start, made_.size);
    std::memset(room.data(), 0, room.size());
    for (u64 i = 0; i < loaded_.plan.guests.size(); ++i) {
        const GuestConfig& config = loaded_.configuration.guests[i];
        const GuestPlan& plan = loaded_.plan.guests[i];
        StaticVector<GuestModule, max_modules> modules;
        for (const ModuleConfig& module : config.modules)
            static_cast<void>(modules.push_back({bytes_of(module.file.value), module.text})); // no more are read
        const GuestSources sources{.format = static_cast<KernelFormat>(config.kernel_format.value),
                                   .kernel = bytes_of(config.kernel.value),
                                   .initrd = {bytes_of(config.initrd.value), config.initrd.value},
                                   .modules = modules.span(),
                                   .cmdline = config.cmdline.value,
                                   .memory = plan.memory,
                                   .vcpus = static_cast<u32>(plan.cpus.size())};
        const u64 size = room_to_make(config);
        const bool kept = has_wrong_file_[i]
                              ? starts_.push_back(fail("a file of it has another SHA-256 than the configuration says"))
                              : starts_.push_back(make_guest_start(sources, room.first(size)));
        if (!kept)
            return fail("too many guests", i);
        room = room.subspan(size);
    }
    return {};
}

/// By which the hypervisor sees, before it starts a guest again, that what it copies is still what was read.
Result<void> Loader::hash_guests() {
    const u64 start = arch::read_tsc();
    for (u64 i = 0; i < starts_.size(); ++i) {
        Hash hash;
        if (starts_[i])
            for (const StartSegment& segment : starts_[i]->segments)
                hash.add_segment(segment.to.value, segment.bytes);
        hashes_[i] = hash.value();
    }
    times_.hashing += arch::read_tsc() - start;
    return {};
}

Result<void> Loader::load_hypervisor() {
    const u64 start = arch::read_tsc();
    load_elf(elf_, embedded_elf(), at_physical<u8>(image_.start, image_.size));
    std::memset(at_physical<u8>(pool_.start), 0, pool_.size);
    times_.copying = arch::read_tsc() - start;
    return {};
}

} // namespace bulkhead::boot
