// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hand-off area: BootInfo, what it points to, and the page tables for the jump.
#include <algorithm>

#include "boot/identity_map.hpp"
#include "boot/journal.hpp"
#include "boot/loader.hpp"
#include "boot/open_screen.hpp"
#include "boot/vcpus.hpp"

namespace bulkhead::boot {

namespace {

constexpr u64 table_entries = page_size / sizeof(u64);
/// Root, and one table of each level below it down to 2 MiB pages.
constexpr u64 table_count = 3;

/// Frames out of the hand-off area, in ascending order.
class ArenaFrames {
public:
    explicit ArenaFrames(std::span<u64> frames) : frames_(frames) {}

    Result<HostPhysical> allocate() {
        if (used_ + table_entries > frames_.size())
            return fail("no page left for the page tables of the jump");
        const HostPhysical frame = physical_of(&frames_[used_]);
        used_ += table_entries;
        return frame;
    }

private:
    std::span<u64> frames_;
    u64 used_ = 0;
};

/// What happens to a guest over its life, out of its configuration.
void take_life_cycle(const GuestConfig& config, GuestInfo& guest) {
    guest.autostart = config.autostart.value;
    guest.restart_on_crash = static_cast<u32>(config.restart_on_crash.value);
    guest.restart_on_reboot = static_cast<u32>(config.restart_on_reboot.value);
    guest.restart_limit = static_cast<u32>(config.restart_limit.value);
    guest.restart_delay = static_cast<u32>(config.restart_delay.value);
    guest.watchdog = static_cast<u32>(config.watchdog.value);
    guest.console_port = static_cast<u16>(config.console_port.value);
    guest.console_irq = static_cast<u16>(config.console_irq.value);
}

} // namespace

/// Runs twice: once to measure, once to fill.
void Loader::lay_out(Arena& arena) {
    static BootInfo nowhere;
    const auto info = arena.room<BootInfo>(1);
    info_ = info.empty() ? &nowhere : info.data();
    info_->cpus = arena.copy<CpuInfo>(machine_.cpus);
    info_->io_apics = arena.copy<IoApicInfo>(machine_.io_apics);
    info_->overrides = arena.copy<InterruptOverride>(machine_.overrides);
    info_->ecam = arena.copy<EcamInfo>(machine_.ecam);
    info_->last_records = arena.copy(std::span<const JournalEntry>(records_).first(record_count_));
    lay_out_guests(arena);
    info_->msr_maps = lay_out_msr_maps(arena);
    info_->io_map = lay_out_io_map(arena);
    const bool has_screen = loaded_.configuration.hypervisor.screen.value && can_show_text(machine_.framebuffer);
    screen_ = arena.room<drivers::Screen>(has_screen ? 1 : 0);
    info_->screen = {.address = physical_of(screen_.data()), .count = screen_.size()};
    const auto call = arena.room<Variables::Call>(loaded_.configuration.hypervisor.fallback.value ? 1 : 0);
    if (!call.empty()) {
        call[0] = Variables::call(last_.after_success());
        info_->success = Variables::variable_of(call[0]);
    }
    const std::string_view said = Console::log();
    info_->log = arena.copy(std::span(said.substr(said.size() - std::min(said.size(), BootInfo::log_size))));
    memory_map_ = arena.room<MemoryRange>(memory_.capacity());
    page_tables_ = arena.room<u64>(table_count * table_entries, page_size);
}

void Loader::lay_out_guests(Arena& arena) {
    const Configuration& configuration = loaded_.configuration;
    const auto guests = arena.room<GuestInfo>(configuration.guests.size());
    info_->guests = {.address = physical_of(guests.data()), .count = guests.size()};
    for (u64 i = 0; i < configuration.guests.size(); ++i) {
        const GuestConfig& config = configuration.guests[i];
        const GuestPlan& plan = loaded_.plan.guests[i];
        GuestInfo guest;
        config.name.value.copy(guest.name, max_guest_name);
        guest.cpus = arena.copy(plan.cpus);
        const auto vcpus = arena.room<VcpuStart>(plan.cpus.size());
        guest.vcpus = {.address = physical_of(vcpus.data()), .count = vcpus.size()};
        guest.memory = arena.copy(plan.memory);
        take_life_cycle(config, guest);
        lay_out_start(arena, starts_[i], guest);
        guest.hash = hashes_[i];
        if (!guests.empty())
            guests[i] = guest;
    }
}

void Loader::lay_out_start(Arena& arena, const Result<GuestStart>& start, GuestInfo& guest) {
    if (!start) {
        const std::string_view what = start.error().what;
        guest.refusal = arena.copy(std::span<const char>(what.data(), what.size() + 1)); // a literal: with its zero
        guest.refusal_value = start.error().value;
        return;
    }
    const auto segments = arena.room<GuestSegment>(start->segments.size());
    for (u64 i = 0; i < segments.size(); ++i) {
        const StartSegment& segment = start->segments[i];
        segments[i] = {segment.to, physical_of(segment.bytes.data()), segment.bytes.size()};
    }
    guest.segments = {.address = physical_of(segments.data()), .count = segments.size()};
    guest.entry = start->entry;
}

/// The lower half is the firmware's, which maps this program, the hand-off area and all devices one to one; the image
/// is at the addresses that it was linked for. The hypervisor replaces these tables at once by its own.
Result<void> Loader::map_image() {
    DirectAccess access;
    ArenaFrames frames(page_tables_);
    auto table = PageTable<HostFormat, DirectAccess, ArenaFrames>::create(access, frames, {});
    if (!table)
        return std::unexpected(table.error());
    const auto firmware_root = at_physical<const u64>({HostFormat::Frame::mask & arch::read_cr3()}, table_entries);
    std::ranges::copy(firmware_root.first(table_entries / 2), page_tables_.begin());
    const auto mapped = table->map(elf_.base, image_.start, image_.size, {.rights = all_rights});
    if (!mapped)
        return std::unexpected(mapped.error());
    return {};
}

Result<void> Loader::fill_boot_info() {
    Arena measure;
    lay_out(measure);
    handoff_.size = align_up(measure.used(), page_size);
    const auto address = memory_.take(handoff_.size, page_size, anywhere);
    if (!address)
        return std::unexpected(address.error());
    handoff_.start = *address;
    Arena arena(handoff_);
    lay_out(arena);

    const HypervisorConfig& config = loaded_.configuration.hypervisor;
    info_->size = sizeof(BootInfo);
    info_->handoff = handoff_;
    info_->image = image_;
    info_->pool = pool_;
    info_->journal = {physical_of(journal_.data()), journal_.size_bytes()};
    info_->ap_trampoline = trampoline_;
    info_->acpi = machine_.acpi;
    info_->smbios = machine_.smbios;
    info_->framebuffer = machine_.framebuffer;
    info_->wall_clock = machine_.wall_clock;
    info_->efi_system_table = physical_of(firmware_.table);
    info_->efi_set_variable = {reinterpret_cast<u64>(firmware_.table->RuntimeServices->SetVariable)};
    info_->efi_reset_system = {reinterpret_cast<u64>(firmware_.table->RuntimeServices->ResetSystem)};
    info_->console_port = static_cast<u16>(config.console_port.value);
    info_->console_irq = static_cast<u16>(config.console_irq.value);
    const u64 baud = config.console_baud.value;
    info_->console_divisor = static_cast<u16>(baud == 0 ? 0 : 115200 / baud);
    info_->keeps_log = config.log.value;
    info_->service_cpu = loaded_.plan.service_cpu;
    info_->debug_needless_intercept = config.debug_needless_intercept.value;
    info_->debug_faults = config.debug_faults.value;
    info_->when_off = static_cast<WhenOff>(config.when_off.value);
    info_->on_panic = static_cast<OnPanic>(config.on_panic.value);
    clear_journal(journal_); // what was in it is in the hand-off area now
    return map_image();
}

} // namespace bulkhead::boot
