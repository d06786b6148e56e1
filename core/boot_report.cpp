// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/boot_report.hpp"

#include "arch/x86_64/instructions.hpp"
#include "core/console.hpp"
#include "core/machine.hpp"

namespace bulkhead {

namespace {

constexpr u64 kept_limit = 4 * MiB;
constexpr u64 kept_limit_per_cpu = 128 * KiB;

void announce_stages() {
    const BootStages& stages = machine.boot.stages;
    Line<1024> line;
    line << "stages in microseconds:";
    for (u64 i = 0; i < stages.count; ++i) {
        const u64 end = i + 1 < stages.count ? stages.list[i + 1].start : arch::read_tsc();
        line << (i == 0 ? " " : ", ") << i + 1 << " " << stages.list[i].name << " "
             << (end - stages.list[i].start) * 1000 / machine.boot.clocks.tsc_khz;
    }
    console::print(line.view());
}

} // namespace

void announce_start() {
    Log() << "console served by CPU " << machine.service_cpu
          << (machine.cores[machine.service_cpu].guest == nullptr ? ", which is free" : ", which a guest owns");
    const u64 cpus = machine.cores.size();
    const u64 limit = kept_limit + cpus * kept_limit_per_cpu;
    Log() << "memory kept: " << machine.memory_kept / KiB << " KiB of at most " << limit / KiB
          << " KiB; second-stage tables: " << machine.second_stage_tables / KiB << " KiB";
    u64 build = 0;
    for (const Vcpu& core : machine.cores)
        build = core.build_ticks > build ? core.build_ticks : build; // guests are built side by side
    const LoaderTimes& loader = machine.boot.times;
    const u64 total = arch::read_tsc() - loader.start;
    const u64 moving = build + loader.copying;
    const u64 waits = loader.waiting + machine.wait_ticks;
    const u64 apart = loader.reading + loader.hashing + moving + loader.ending + waits;
    Log() << "boot: " << total << " ticks since efi_main: reading " << loader.reading << ", hashing " << loader.hashing
          << ", zeroing and copying " << moving << ", ending the firmware " << loader.ending << ", hardware waits "
          << waits << ", all else " << (total > apart ? total - apart : 0);
    announce_stages();
}

} // namespace bulkhead
