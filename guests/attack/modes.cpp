// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/control_rules.hpp"
#include "guests/attack/encode.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/xapic.hpp"

// What memory.cpp, ports.cpp, msr.cpp and controls.cpp try in 64-bit code, in short, in real mode, in virtual-8086
// mode, and in 16- and 32-bit modes without long mode: what a guest does there exits, is decoded and is emulated too.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u32 marked = 0x11223344, ones = ~0u;

constexpr u32 mask_of(unsigned size) { return size == 4 ? ones : (1u << 8 * size) - 1; }
constexpr u32 merge(u32 before, u32 value, unsigned size) {
    return (before & ~mask_of(size)) | (value & mask_of(size));
}

/// One access to a device, and all registers behind it. `seen` is its linear address.
void try_access(Group& group, LegacyMode mode, u32 seen, u64 physical, const Form& form, unsigned size,
                unsigned address) {
    constexpr u32 count = 3;
    const LegacyAddress device = address_of(mode, seen), ram = address_of(mode, mode_buffer);
    const u32 unused = address == 16 ? 0xabcd0000 : 0; // of a register that is used as an address of 16 bits
    const bool from_ram = form.effect == Effect::to_device, to_ram = form.effect == Effect::from_device;
    LegacyRun run{
        .registers = {.ebp = 5, .ebx = device.offset | unused, .edx = 6, .ecx = count | unused, .eax = marked},
        .ds = from_ram ? ram.segment : device.segment,
        .es = to_ram ? ram.segment : device.segment};
    run.registers.esi = (from_ram ? ram.offset : device.offset) | unused;
    run.registers.edi = (to_ram ? ram.offset : device.offset) | unused;
    at<u32>(mode_buffer) = 0;

    LegacyRegisters after = run.registers;
    u32 buffer = 0;
    const auto step = [&](u32& reg, u32 by) { reg = merge(reg, reg + by, address / 8); };
    if (form.effect == Effect::load || form.effect == Effect::exchange || form.effect == Effect::load_string)
        after.eax = merge(marked, ones, size);
    if (form.effect == Effect::load_string || from_ram || to_ram)
        step(after.esi, size);
    if (from_ram || to_ram)
        step(after.edi, size);
    if (to_ram)
        buffer = mask_of(size);
    if (form.effect == Effect::store_strings) {
        step(after.edi, count * size);
        step(after.ecx, u32{0} - count);
    }
    const Code code = encode(form, mode, size, address, device.offset);
    const LegacyEnd end = run_legacy(mode, code.bytes(), run);
    group.expect(end.vector == returned && end.registers == after && at<u32>(mode_buffer) == buffer, name_of(mode),
                 ": ", form.what, " ", size, " at ", Hex{physical}, " by ", address, " bits: vector ", end.vector,
                 " EAX ", Hex{end.registers.eax}, " ECX ", Hex{end.registers.ecx}, " EDI ", Hex{end.registers.edi});
}

void try_absent(Group& group, LegacyMode mode) {
    for (const u64 physical : absent) {
        if (!reaches(mode, physical))
            continue;
        const u32 seen = show(mode, physical);
        for (const Form& form : forms)
            for (const unsigned size : {1u, 2u, 4u})
                for (const unsigned address : {16u, 32u})
                    if (address == 32 || has_small_segments(mode))
                        try_access(group, mode, seen, physical, form, size, address);
    }
}

/// MOV of 4 bytes between EAX and a device.
LegacyEnd move(LegacyMode mode, u64 physical, Effect effect, u32 value = marked) {
    const LegacyAddress device = address_of(mode, show(mode, physical));
    const Form& form = effect == Effect::load ? forms[0] : forms[1];
    return run_legacy(mode, encode(form, mode, 4, 32, 0).bytes(),
                      {.registers = {.ebx = device.offset, .eax = value}, .ds = device.segment, .es = device.segment});
}

/// What answers there must be what answers 64-bit code.
void try_emulated(Group& group, LegacyMode mode) {
    if (!reaches(mode, io_apic_select))
        return;
    const auto holds = [&](const LegacyEnd& end, u32 value, std::string_view what) {
        group.expect(end.vector == returned && end.registers.eax == value, name_of(mode), ": ", what, ": vector ",
                     end.vector, " EAX ", Hex{end.registers.eax}, ", expected ", Hex{value});
    };
    const u32 version = io_apic_read(io_apic_version);
    at<u32>(io_apic_select) = 0;
    holds(move(mode, io_apic_select, Effect::store, io_apic_version), io_apic_version, "I/O APIC, index");
    holds(move(mode, io_apic_window, Effect::load), version, "I/O APIC, version");
    use_xapic();
    const u32 apic_version = xapic_read(xapic_version);
    holds(move(mode, 0xfee00000 + xapic_version, Effect::load), apic_version, "local APIC, version");
    holds(move(mode, 0xfee00000 + xapic_tpr, Effect::store, 0x20), 0x20, "local APIC, TPR");
    holds(move(mode, 0xfee00000 + xapic_tpr, Effect::load), 0x20, "local APIC, TPR read");
    // To all others, and to any that is not there.
    holds(move(mode, 0xfee00000 + xapic_icr, Effect::store, 0xc4500), 0xc4500, "local APIC, INIT to all others");
    holds(move(mode, 0xfee00000 + xapic_icr_high, Effect::store, 1 << 24), 1 << 24, "local APIC, ICR");
    holds(move(mode, 0xfee00000 + xapic_icr, Effect::store, 0x4600), 0x4600, "local APIC, start-up");
    set_apic_mode(0);
    enable_apic();
}

void try_ports(Group& group, LegacyMode mode) {
    const LegacyAddress ram = address_of(mode, mode_buffer);
    const unsigned address = has_small_segments(mode) ? 16 : 32;
    constexpr u16 scratch = 0x3ff;
    constexpr u8 kept = 0x5a;
    out8(scratch, kept);
    for (const u16 port : {u16{0x20}, u16{0x60}, u16{0x80}, u16{0xcf8}, u16{0x1234}, u16{0xfffc}, scratch})
        for (const u8 opcode : {u8{0xec}, u8{0xee}, u8{0x6c}, u8{0x6e}}) // IN, OUT, INS, OUTS
            for (const unsigned size : {1u, 2u, 4u}) {
                if (port == scratch && (opcode & 2) != 0)
                    continue;
                const Form form{.what = "", .effect = Effect::load, .opcode = opcode, .modrm = false};
                const LegacyRun run{.registers = {.edi = ram.offset, .esi = ram.offset, .edx = port, .eax = marked},
                                    .ds = ram.segment,
                                    .es = ram.segment};
                at<u32>(mode_buffer) = marked;
                const LegacyEnd end = run_legacy(mode, encode(form, mode, size, address, 0).bytes(), run);
                const u32 answer = port == scratch ? u32{0xffffff00} | kept : ones;
                const u32 eax = opcode == 0xec ? merge(marked, answer, size) : marked;
                const u32 memory = opcode == 0x6c ? merge(marked, answer, size) : marked;
                group.expect(end.vector == returned && end.registers.eax == eax && at<u32>(mode_buffer) == memory,
                             name_of(mode), ": port ", Hex{port}, " by ", Hex{opcode}, " ", size, ": vector ",
                             end.vector, " EAX ", Hex{end.registers.eax}, " memory ", Hex{at<u32>(mode_buffer)});
            }
    if (mode != LegacyMode::virtual8086)
        return;
    for (const u32 port : {0u, 0x80u, 0x3f8u, 0xffffu}) { // not the process's: SDM 1 19.5.2
        legacy_task.ports[port / 8] = 0xff;
        const LegacyEnd end = run_legacy(mode, std::array<u8, 1>{0xec}, {.registers = {.edx = port}});
        group.expect(end.vector == general_protection, name_of(mode), ": port ", Hex{port}, ": vector ", end.vector);
        legacy_task.ports[port / 8] = 0;
    }
}

/// Ends of an instruction in kernel code; virtual-8086 mode has a process's rights.
struct Instruction {
    std::string_view what;
    std::array<u8, 4> bytes;
    u8 size;
    Ends kernel;
    u32 eax = 0, ecx = 0, edx = 0;
};
constexpr u32 svme = 1 << 12, efer = 0xc0000080;
constexpr Instruction instructions[] = {
    {"RDMSR of VM_HSAVE_PA", {0x0f, 0x32}, 2, refused, 0, 0xc0010117},
    {"RDMSR of VMX_BASIC", {0x0f, 0x32}, 2, refused, 0, 0x480},
    {"RDMSR of SMBASE", {0x0f, 0x32}, 2, refused, 0, 0x9e},
    {"WRMSR of EFER.SVME", {0x0f, 0x30}, 2, refused, svme, efer},
    {"WRMSR of VM_HSAVE_PA", {0x0f, 0x30}, 2, refused, 0x1000, 0xc0010117},
    {"WRMSR of SMM_ADDR", {0x0f, 0x30}, 2, refused, 0x1000, 0xc0010112},
    {"WRMSR of APIC_BASE", {0x0f, 0x30}, 2, refused, 0x70d00, 0x1b},
    {"WRMSR of ICR, to another", {0x0f, 0x30}, 2, ignored, 0x4500, 0x830, 1},
    {"VMRUN", {0x0f, 0x01, 0xd8}, 3, undefined},
    {"VMLOAD", {0x0f, 0x01, 0xda}, 3, undefined},
    {"VMSAVE", {0x0f, 0x01, 0xdb}, 3, undefined},
    {"STGI", {0x0f, 0x01, 0xdc}, 3, undefined},
    {"CLGI", {0x0f, 0x01, 0xdd}, 3, undefined},
    {"SKINIT", {0x0f, 0x01, 0xde}, 3, undefined},
    {"INVLPGA", {0x0f, 0x01, 0xdf}, 3, undefined},
    {"VMCALL", {0x0f, 0x01, 0xc1}, 3, undefined | ignored, 0x424b0077},
    {"VMMCALL", {0x0f, 0x01, 0xd9}, 3, undefined | ignored, 0x424b0077},
    {"VMLAUNCH", {0x0f, 0x01, 0xc2}, 3, undefined},
    {"VMXOFF", {0x0f, 0x01, 0xc4}, 3, undefined},
    {"VMPTRLD", {0x0f, 0xc7, 0x37}, 3, undefined},
    {"VMREAD", {0x0f, 0x78, 0xc8}, 3, undefined},
    {"GETSEC", {0x0f, 0x37}, 2, undefined | refused},
    {"RSM", {0x0f, 0xaa}, 2, undefined},
    {"INVD", {0x0f, 0x08}, 2, ignored},
    {"WBINVD", {0x0f, 0x09}, 2, ignored},
    {"MONITOR", {0x0f, 0x01, 0xc8}, 3, undefined},
    {"MWAIT", {0x0f, 0x01, 0xc9}, 3, undefined},
    {"XSETBV", {0x0f, 0x01, 0xd1}, 3, undefined | refused},
    {"RDPMC", {0x0f, 0x33}, 2, refused},
    {"CR4.VMXE", {0x0f, 0x22, 0xe0}, 3, refused, 1 << 13},
    {"CR4.LA57", {0x0f, 0x22, 0xe0}, 3, refused, 1 << 12},
    {"CR4.PCIDE without long mode", {0x0f, 0x22, 0xe0}, 3, refused, 1 << 17},
    {"CR4's last bit", {0x0f, 0x22, 0xe0}, 3, refused, 1u << 31},
    {"CR0.PG without PE", {0x0f, 0x22, 0xc0}, 3, refused, 1u << 31 | 0x10},
    {"CR0.NW without CD", {0x0f, 0x22, 0xc0}, 3, refused, 1u << 29 | 0x11},
};

void try_instructions(Group& group, LegacyMode mode) {
    const bool user = mode == LegacyMode::virtual8086;
    for (const Instruction& row : instructions) {
        const LegacyRun run{.registers = {.edx = row.edx, .ecx = row.ecx, .eax = row.eax}};
        const LegacyEnd end = run_legacy(mode, std::span(row.bytes.data(), row.size), run);
        // QEMU's CPU asks for no privilege before it exits by INVD or WBINVD.
        const Ends process = refused | undefined | (row.bytes[1] == 0x08 || row.bytes[1] == 0x09 ? ignored : 0);
        group.expect((end_of(end.vector) & (user ? process : row.kernel)) != 0, name_of(mode), ": ", row.what,
                     ": vector ", end.vector);
    }
    const auto same = [&](std::string_view what, std::initializer_list<u8> code, u32 ecx, u32 eax, u64 edx_eax) {
        const LegacyEnd end =
            run_legacy(mode, std::span(code.begin(), code.size()), {.registers = {.ecx = ecx, .eax = eax}});
        const bool is_same = end.vector == returned && end.registers.eax == static_cast<u32>(edx_eax) &&
                             end.registers.edx == edx_eax >> 32;
        group.expect(is_same || (user && end.vector == general_protection), name_of(mode), ": ", what, ": vector ",
                     end.vector, " EAX ", Hex{end.registers.eax});
    };
    constexpr u64 long_mode = 0x500; // LME and LMA
    same("RDMSR of APIC_BASE", {0x0f, 0x32}, msr_apic_base, 0, rdmsr(msr_apic_base));
    same("RDMSR of EFER", {0x0f, 0x32}, efer, 0, rdmsr(efer) & ~long_mode);
    same("CPUID", {0x0f, 0xa2}, 0, 0x40000000, u64{cpuid(0x40000000).edx} << 32 | cpuid(0x40000000).eax);
    if (!user)
        same("hypercall", {0x0f, 0x01, is_intel() ? u8{0xc1} : u8{0xd9}}, 0, 0x424b0077, not_implemented & ones);
}

/// Each bit of CR0, CR4 and EFER there: taken, and put back, or refused. Not those that take the code's own pages away.
void try_control_bits(Group& group, LegacyMode mode) {
    const bool user = mode == LegacyMode::virtual8086, pages = has_paging(mode);
    const bool is_real = has_small_segments(mode) || mode == LegacyMode::unreal;
    const auto flip = [&](std::string_view what, unsigned bit, std::initializer_list<u8> read,
                          std::initializer_list<u8> write, bool takes) {
        // Read; MOV EBX, EAX; XOR EAX, bit; write; MOV EAX, EBX; write
        Code code;
        const auto add = [&](std::initializer_list<u8> bytes, bool has_operand_of_32) {
            if (has_operand_of_32 && bits_of(mode) == 16)
                code.add(0x66);
            for (const u8 byte : bytes)
                code.add(byte);
        };
        add(read, false);
        add({0x89, 0xc3}, true);
        add({0x35}, true);
        code.add_number(u32{1} << bit, 4);
        const u64 at_write = code.size();
        add(write, false);
        add({0x89, 0xd8}, true);
        add(write, false);
        const LegacyEnd end = run_legacy(mode, code.bytes(), {.registers = {.ecx = efer}});
        const u32 eip = end.eip % 4096; // where segments begin differs
        const bool is_refused = end.vector == general_protection && (user || eip == at_write);
        group.expect(!user && takes ? end.vector == returned : is_refused, name_of(mode), ": ", what, " flips bit ",
                     bit, ": vector ", end.vector, " after ", eip);
    };
    const u64 cr0 = (is_real ? 0 : cr0_pe) | (pages ? cr0_pg : 0) | 0x10;
    for (unsigned bit = 0; bit < 32; ++bit) {
        const u64 flipped = u64{1} << bit;
        if (flipped != cr0_pg || (!pages && is_real)) // its tables are not there
            flip("CR0", bit, {0x0f, 0x20, 0xc0}, {0x0f, 0x22, 0xc0}, takes_cr0(cr0 ^ flipped));
        const u64 of_pages = cr4_pse | cr4_pae | cr4_smep | cr4_smap;
        if (!pages || (flipped & of_pages) == 0)
            flip("CR4", bit, {0x0f, 0x20, 0xe0}, {0x0f, 0x22, 0xe0}, (flipped & cr4_bits() & ~cr4_pcide) != 0);
        flip("EFER", bit, {0x0f, 0x32}, {0x0f, 0x30}, (flipped & efer_bits()) != 0 && (flipped != efer_lme || !pages));
    }
}

/// Ends of pages, of segments, and of what an address of 20 bits can name.
void try_edges(Group& group, LegacyMode mode) {
    constexpr u8 access[] = {0x66, 0x66, 0x66, 0x66, 0x66, 0xed, 0xcd, static_cast<u8>(returned)}; // IN, INT 81h
    constexpr u64 edge = 8 * MiB; // a multiple of every page's size
    for (u64 before = 1; has_paging(mode) && before < 6; ++before) {
        std::memcpy(reinterpret_cast<void*>(edge - before), access, sizeof access);
        for (const bool next : {false, true}) {
            const u32 seen = show(mode, edge - before, next);
            const LegacyEnd end = run_at(mode, seen, {.registers = {.edx = 0x80}});
            const bool faulted = end.vector == page_fault && read_cr2() == seen + before;
            group.expect(next ? end.vector == returned : faulted, name_of(mode), ": second half", next ? "" : " not",
                         " there, after ", before, ": vector ", end.vector, " CR2 ", Hex{read_cr2()});
        }
    }
    if (mode == LegacyMode::virtual8086) // a process
        for (const u64 address : {end_of_ram(), u64{0xfed00000}}) {
            const LegacyEnd end = run_at(mode, show(mode, address), {});
            group.expect(end.vector == invalid_opcode, "execution at ", Hex{address}, ": vector ", end.vector);
        }
    if (!has_small_segments(mode))
        return;
    // The end of RAM is in a segment that begins below it. QEMU's CPU knows no limits.
    const LegacyRun last{.registers = {.ebx = 0xffff, .eax = marked}, .ds = 0x9001, .es = 0x9001};
    for (const u8 opcode : {u8{0x8b}, u8{0x89}}) {
        const LegacyEnd end = run_legacy(LegacyMode::real, std::array<u8, 2>{opcode, 0x07}, last);
        group.expect(end.vector == returned || end.vector == general_protection,
                     "operand over the end of a segment: vector ", end.vector);
    }
    // FFFF:0010 is the first byte above 1 MiB, and not 0.
    at<u16>(MiB) = 0;
    const u16 first = at<u16>(0);
    const LegacyAddress high = address_of(mode, static_cast<u32>(MiB));
    const LegacyRun above{.registers = {.ebx = high.offset, .eax = 0xbeef}, .ds = high.segment, .es = high.segment};
    const LegacyEnd end = run_legacy(mode, std::array<u8, 2>{0x89, 0x07}, above);
    group.expect(end.vector == returned && at<u16>(MiB) == 0xbeef && at<u16>(0) == first, name_of(mode),
                 ": above 1 MiB: vector ", end.vector);
}

/// The instruction before the end of a segment of 64 KiB: behind it is #GP, or, in QEMU, its beginning.
void try_end_of_code(Group& group) {
    constexpr u8 access[] = {0xe5, 0x80}, end_of_code[] = {0xcd, static_cast<u8>(returned)}; // IN AX, 80h
    std::memcpy(reinterpret_cast<void*>(LOW_ADDRESS + 0xfffe), access, sizeof access);
    std::memcpy(reinterpret_cast<void*>(LOW_ADDRESS + 0x10000), end_of_code, sizeof end_of_code);
    std::memcpy(reinterpret_cast<void*>(LOW_ADDRESS), end_of_code, sizeof end_of_code); // no division is tried
    const LegacyEnd end = run_at(LegacyMode::real, LOW_ADDRESS + 0xfffe, {.registers = {.eax = marked}});
    group.expect((end.vector == returned || end.vector == general_protection) &&
                     end.registers.eax == merge(marked, ones, 2),
                 "end of the code's segment: vector ", end.vector, " EAX ", Hex{end.registers.eax});
}

} // namespace

void run() {
    enable_apic();
    prepare_modes();
    const auto in_each = [](std::string_view what, auto attack) {
        Group group(what);
        for (const LegacyMode mode : legacy_modes)
            attack(group, mode);
    };
    in_each("memory in other modes", try_absent);
    in_each("devices in other modes", [](Group& group, LegacyMode mode) {
        try_emulated(group, mode);
        try_ports(group, mode);
    });
    in_each("instructions in other modes", [](Group& group, LegacyMode mode) {
        try_instructions(group, mode);
        try_control_bits(group, mode);
    });
    Group group("edges in other modes");
    for (const LegacyMode mode : legacy_modes)
        try_edges(group, mode);
    try_end_of_code(group);
}

} // namespace bulkhead::guest
