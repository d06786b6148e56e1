// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/guest_builder.hpp"

#include <algorithm>
#include <cstring>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/console.hpp"
#include "core/machine.hpp"
#include "devices/acpi_tables.hpp"
#include "devices/linux_boot.hpp"
#include "devices/power.hpp"
#include "mm/guest_layout.hpp"

namespace bulkhead {

namespace {

u8* ram_at(GuestPhysical address) { return reinterpret_cast<u8*>(layout::guest_ram + address.value); }

std::span<const u8> file_at(u64 window, const LoadedFile& file) {
    return {reinterpret_cast<const u8*>(window), file.address.value == 0 ? 0 : file.size};
}

/// By memset(), which is REP STOSQ: what the compiler makes of std::ranges::fill here is a loop over bytes. Says how
/// far it is while that takes long: some seconds a GiB where the machine is emulated.
void zero(const Guest& guest) {
    using namespace guest_layout;
    constexpr u64 at_once = 64 * MiB;
    constexpr u64 milliseconds = 2000;
    const GuestMemoryMap& map = guest.memory_map;
    const u64 high = map.high_end() > device_hole_end ? map.high_end() - device_hole_end : 0;
    u64 done = 0;
    u64 reported = arch::read_tsc();
    for (const auto& [start, size] :
         {GuestRange{{0}, legacy_hole.value}, {bios_area, map.low_end() - bios_area}, {device_hole_end, high}})
        for (u64 offset = 0; offset < size; offset += at_once) {
            const u64 part = std::min(size - offset, at_once);
            std::memset(ram_at(start + offset), 0, part);
            done += part;
            const u64 now = arch::read_tsc();
            if (now - reported < milliseconds * machine.tsc_khz)
                continue;
            reported = now;
            Log() << "guest " << guest.name << ": " << done / MiB << " MiB zeroed";
        }
}

} // namespace

Result<EntryState> build_guest_memory(const Guest& guest, BuildTimes& times) {
    const std::span<const u8> kernel = file_at(layout::guest_kernel, guest.kernel);
    const std::span<const u8> initrd = file_at(layout::guest_initrd, guest.initrd);
    const Result<LinuxPlan> plan = plan_linux_boot(kernel, initrd.size(), guest.cmdline, guest.memory_map.chunks());
    if (!plan)
        return std::unexpected(plan.error());

    const u64 start = arch::read_tsc();
    zero(guest);
    const u64 zeroed = arch::read_tsc();
    const auto payload = kernel.subspan(plan->image.payload_offset, plan->image.payload_size);
    std::ranges::copy(payload, ram_at(plan->kernel));
    std::ranges::copy(initrd, ram_at(plan->initrd));
    times = {.zeroing = zeroed - start, .copying = arch::read_tsc() - zeroed};

    const Result<u64> tables = build_acpi_tables({ram_at(platform::firmware_area), platform::firmware_area_size},
                                                 static_cast<u32>(guest.vcpus.size()));
    if (!tables)
        return std::unexpected(tables.error());
    std::ranges::copy(reset_vector_code, ram_at(reset_vector));
    const LinuxEntry entry =
        write_linux_boot(*plan, kernel, guest.cmdline, std::span<u8, linux_low_memory>(ram_at({0}), linux_low_memory));
    return EntryState{.rip = entry.rip.value,
                      .rsi = entry.rsi.value,
                      .rsp = entry.rsp.value,
                      .cr3 = entry.cr3.value,
                      .gdt_base = entry.gdt_base.value,
                      .gdt_limit = entry.gdt_limit,
                      .code_selector = entry.cs,
                      .data_selector = entry.ds};
}

} // namespace bulkhead
