// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The point of no return.
#include "arch/x86_64/instructions.hpp"
#include "boot/clocks.hpp"
#include "boot/loader.hpp"
#include "boot/open_screen.hpp"
#include "boot/quiesce.hpp"
#include "boot/vcpus.hpp"

namespace bulkhead::boot {

namespace {

/// 16550: the firmware's console is gone, but a serial port needs no driver. `port` 0: there is none.
void write_to_serial(u16 port, std::string_view text) {
    constexpr u16 line_status = 5;
    constexpr u8 transmitter_empty = 0x20;
    constexpr u32 waits = 100'000;
    for (const char c : text) {
        for (u32 i = 0; i < waits && port != 0 && (arch::in8(port + line_status) & transmitter_empty) == 0; ++i) {
        }
        if (port != 0)
            arch::out8(port, static_cast<u8>(c));
    }
}

/// The hypervisor's entry is an ELF function: System V calling convention, BootInfo in RDI. It sets its own stack.
[[noreturn]] void jump(HostPhysical root, HostVirtual entry, const BootInfo* info) {
    asm volatile("movq %0, %%cr3\n\t"
                 "jmpq *%1"
                 :
                 : "r"(root.value), "r"(entry.value), "D"(info)
                 : "memory");
    __builtin_unreachable();
}

} // namespace

/// The map may change between reading it and using its key, through a timer of the firmware's: UEFI 2.10 7.4.6 wants
/// it read again then, and after a first attempt allows no other service.
Result<void> Loader::exit_boot_services() {
    constexpr int attempts = 4;
    EFI_STATUS status = EFI_SUCCESS;
    for (int i = 0; i < attempts; ++i) {
        const auto map = memory_.map();
        if (!map)
            return std::unexpected(map.error());
        status = firmware_.boot->ExitBootServices(firmware_.image, memory_.key());
        if (status != EFI_SUCCESS)
            continue;
        arch::cli();
        const auto ranges = convert_memory_map(*map, memory_map_);
        if (!ranges)
            return std::unexpected(ranges.error());
        info_->memory_map = {.address = physical_of(ranges->data()), .count = ranges->size()};
        return {};
    }
    return fail("the firmware refuses to end its boot services", status);
}

Result<void> Loader::take_clocks() {
    const u64 start = arch::read_tsc();
    const Result<Clocks> clocks = measure_clocks(machine_);
    if (!clocks)
        return std::unexpected(clocks.error());
    info_->clocks = *clocks;
    times_.waiting += arch::read_tsc() - start;
    return {};
}

void Loader::make_vcpus() {
    for (const GuestInfo& guest : at_physical<GuestInfo>(info_->guests.address, info_->guests.count))
        make_vcpu_starts(at_physical<VcpuStart>(guest.vcpus.address, guest.vcpus.count), info_->clocks);
}

/// The firmware's console is gone. What it showed comes first, as much of it as fits, so that the boot is on one
/// screen.
void Loader::take_screen() {
    if (screen_.empty())
        return;
    screen_[0] = open_screen(info_->framebuffer);
    const std::string_view log = Console::log();
    std::size_t begin = log.size();
    u32 lines = 0;
    while (begin > 0 && (log[begin - 1] != '\n' || ++lines < screen_[0].rows()))
        --begin;
    put_on_screen(log.substr(begin));
}

void Loader::put_on_screen(std::string_view text) {
    for (const char c : text)
        if (!screen_.empty())
            screen_[0].put(c);
}

void Loader::leave() {
    begin_stage("end of the firmware");
    if (screen_.empty() && info_->console_port == 0)
        firmware_.console.say(
            "this is the last line: there is neither a screen that can be drawn on nor a serial port, or "
            "the configuration has them off");
    const u64 start = arch::read_tsc();
    disconnect_dma_drivers(firmware_);
    Result<void> done = exit_boot_services();
    times_.exit = arch::read_tsc();
    times_.ending = times_.exit - start;
    take_screen();
    Line<200> line;
    line << "bulkhead: ";
    stages_.begin("clocks", arch::read_tsc(), line);
    line << "\r\n";
    put_on_screen(line.view());
    write_to_serial(info_->console_port, line.view());
    if (done)
        done = silence_hardware(machine_);
    if (done)
        done = take_clocks();
    if (done)
        make_vcpus(); // they are told what the clocks' frequencies are
    info_->times = times_;
    info_->stages = stages_;
    if (done)
        jump(physical_of(page_tables_.data()), elf_.entry, info_);
    arch::cli();
    line.clear();
    line << "bulkhead: not started: " << done.error().what << ' ' << Hex{done.error().value} << "\r\n";
    put_on_screen(line.view());
    write_to_serial(info_->console_port, line.view());
    arch::stop();
}

} // namespace bulkhead::boot
