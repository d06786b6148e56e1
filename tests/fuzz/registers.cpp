// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any sequence of writes to MSRs and control registers: what is accepted leaves a state that a CPU can be in, and what
// is refused leaves the one before.
#include "boot/guest/cpuid.hpp"
#include "boot/guest/msrs.hpp"
#include "core/msr_emulation.hpp"
#include "devices/pvclock.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

struct Cpu {
    explicit Cpu(const char* recording)
        : host(test::own_recording(recording)), cpuid(make_guest_cpuid(host, {})),
          msrs(initial_msr_state(cpuid, true, u64{0x2f} << 32, ~u64{0})) {}

    test::CpuidRecording host;
    GuestCpuid cpuid;
    MsrState msrs;
    GuestControls controls{cr0::PE | cr0::PG | cr0::ET, 0, cr4::PAE, efer::LME | efer::LMA};
    u64 xcr0 = 1;
};

/// SDM 3A 2.5, 4.1.1, 10.8.5.
void check(const GuestControls& controls) {
    const bool paging = (controls.cr0 & cr0::PG) != 0;
    const bool long_mode = (controls.efer & efer::LMA) != 0;
    require(!paging || (controls.cr0 & cr0::PE) != 0, "paging without protection");
    require((controls.cr0 & cr0::NW) == 0 || (controls.cr0 & cr0::CD) != 0, "NW without CD");
    require(long_mode == (paging && (controls.efer & efer::LME) != 0), "LMA is not LME and PG");
    require(!long_mode || (controls.cr4 & cr4::PAE) != 0, "long mode without PAE");
    require((controls.cr4 & cr4::PCIDE) == 0 || long_mode, "PCIDs without long mode");
    require(controls.cr0 >> 32 == 0 && controls.cr4 >> 32 == 0, "upper bits of a control register");
    require((controls.cr4 & (cr4::VMXE | cr4::SMXE)) == 0 && (controls.efer & efer::SVME) == 0, "virtualization");
    require((real_cr0(controls.cr0) & (cr0::CD | cr0::NW)) == 0, "the cache can be switched off");
}

void take(Cpu& cpu, const std::optional<ControlUpdate>& update) {
    if (!update)
        return;
    check(update->controls);
    cpu.controls = update->controls;
    cpu.cpuid.update({.cr4 = cpu.controls.cr4, .xcr0 = cpu.xcr0});
}

void write_xcr0(Cpu& cpu, u64 value) {
    if (!is_valid_xcr0(value, cpu.cpuid.xcr0_mask))
        return;
    require((value & 1) != 0 && (value & ~cpu.cpuid.xcr0_mask) == 0, "XCR0");
    cpu.xcr0 = value;
    cpu.cpuid.update({.cr4 = cpu.controls.cr4, .xcr0 = value});
}

void write(Cpu& cpu, u32 number, u64 value) {
    const MsrResult result = write_msr(cpu.msrs, cpu.controls, cpu.cpuid, number, value);
    switch (result.effect) {
    case MsrEffect::Done:
    case MsrEffect::Fault:
    case MsrEffect::Unknown:
    case MsrEffect::Tsc:
    case MsrEffect::TscDeadline:
        break;
    case MsrEffect::Apic:
        require(number == msr::IA32_APIC_BASE || is_x2apic_msr(number), "no register of the APIC");
        break;
    case MsrEffect::Efer:
        take(cpu, write_efer(cpu.controls, result.value, cpu.cpuid));
        break;
    case MsrEffect::KvmSystemTime:
    case MsrEffect::KvmWallClock:
        if (const auto address = pvclock_time_address(result.value);
            address && pvclock_address_valid(*address, sizeof(PvClockVcpuTimeInfo)))
            require(address->value % page_size <= page_size - sizeof(PvClockVcpuTimeInfo), "a clock over a page's end");
        break;
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    static const Cpu cpus[] = {Cpu("amd_server.txt"), Cpu("intel_client.txt")};
    Reader reader(input);
    Cpu cpu = cpus[reader.take<u8>() & 1];
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        const u64 value = (what & 0x80) != 0 ? reader.take<u64>() : reader.take<u32>();
        constexpr u32 bases[] = {0, 0xc000'0000, 0xc001'0000, 0x4000'0000, 0x4b56'4d00, 0x200};
        const u32 number = bases[(what >> 3 & 15) % std::size(bases)] + reader.take<u16>() % 0x2000;
        switch (what & 7) {
        case 0:
            take(cpu, write_cr0(cpu.controls, value, (cpu.controls.efer & efer::LMA) != 0));
            break;
        case 1:
            take(cpu, write_cr4(cpu.controls, value, cpu.cpuid));
            break;
        case 2:
            take(cpu, write_efer(cpu.controls, value, cpu.cpuid));
            break;
        case 3:
            write_xcr0(cpu, value);
            break;
        case 4:
        case 5:
            write(cpu, number, value);
            break;
        case 6:
            static_cast<void>(read_msr(cpu.msrs, cpu.controls, number));
            break;
        default:
            static_cast<void>(cpu.cpuid.lookup(static_cast<u32>(value), number));
        }
        check(cpu.controls);
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer seed;
    seed.number(0, 1).number(0, 1).number(0x8005'0033, 4).number(0, 2).number(1, 1).number(0x406a0, 4).number(0, 2);
    seed.number(3, 1).number(7, 4).number(0, 2).number(2, 1).number(0xd01, 4).number(0, 2);
    seed.number(0x8c, 1).number(0xd01, 8).number(0x80, 2); // EFER by its MSR
    seed.number(0xa4, 1).number(0x10'0001, 8).number(1, 2).number(0x84, 1).number(0, 8).number(0x6e0, 2);
    seed.number(0, 1).number(0x0005'0033, 4).number(0, 2).number(0, 1).number(0x30, 4).number(0, 2);
    Seed other = seed.seed();
    other[0] = 1;
    return {seed.seed(), other};
}

} // namespace bulkhead
