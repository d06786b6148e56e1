// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "arch/x86_64/control_bits.hpp"
#include "core/instruction_decoder.hpp"
#include "core/mmio_emulation.hpp"
#include "core/string_io.hpp"
#include "unit/core/guest_ram.hpp"
#include "unit/core/identity_tables.hpp"

using namespace bulkhead;
using test::GuestRam;
using test::IdentityTables;
using Kind = EmulationResult::Kind;

namespace {

/// The small pages are mapped as a test wants.
constexpr u64 pml4 = IdentityTables::pml4, pt = IdentityTables::pt;
constexpr u64 small_pages = IdentityTables::small_pages, device = IdentityTables::device;

struct Machine {
    GuestRam ram;
    IdentityTables tables{ram};
    GuestMemory memory = ram.memory();
    GuestView view{memory, {cr0::PE | cr0::PG | cr0::WP, pml4, cr4::PAE, efer::LMA, 0, 0}};
    Registers registers;
    u64 rflags = rflags::fixed_1;
    std::vector<u64> log; // of a read: address and size; of a write: address, size and value

    void map_small(u64 index, u64 entry) { ram.put<u64>(pt + 8 * index, entry); }

    u64 answer = 0;
    u64 read(GuestPhysical address, unsigned size) {
        log.insert(log.end(), {address.value, size});
        return answer;
    }
    void write(GuestPhysical address, unsigned size, u64 value) { log.insert(log.end(), {address.value, size, value}); }

    bool write_fault = true; // the access that faulted was a store
    EmulationResult run(std::initializer_list<u8> bytes, u64 address, u64 rip = 0x1000) {
        const Result<Instruction> instruction = decode(std::span(bytes.begin(), bytes.size()), view.mode);
        REQUIRE(instruction);
        REQUIRE(instruction->length == bytes.size());
        log.clear();
        return emulate_mmio(DeviceAccess{*instruction, view, registers, rflags, rip, {address}, write_fault}, *this);
    }
};

struct Ports {
    std::vector<u64> log;
    u32 next = 0x1101;
    u32 read(u16 port, unsigned size) {
        log.insert(log.end(), {port, size});
        return next++;
    }
    void write(u16 port, unsigned size, u32 value) { log.insert(log.end(), {port, size, value}); }
};

using Log = std::vector<u64>;

/// Flat data segments for 16- and 32-bit code.
constexpr SegmentState flat{0, 0xffff'ffff, 0xc93};

} // namespace

TEST_CASE("mmio: loads and stores of every size and form") {
    Machine m;
    m.registers.rbx() = device;
    m.registers.rax() = 0x1122'3344'5566'7788;
    SECTION("stores") {
        CHECK(m.run({0x89, 0x43, 0x10}, device + 0x10).kind == Kind::advance); // mov [rbx+16], eax
        CHECK(m.log == Log{device + 0x10, 4, 0x5566'7788});
        CHECK(m.run({0x48, 0x89, 0x03}, device).kind == Kind::advance);
        CHECK(m.log == Log{device, 8, 0x1122'3344'5566'7788});
        CHECK(m.run({0x66, 0x89, 0x03}, device).kind == Kind::advance);
        CHECK(m.log == Log{device, 2, 0x7788});
        CHECK(m.run({0x88, 0x23}, device).kind == Kind::advance); // mov [rbx], ah
        CHECK(m.log == Log{device, 1, 0x77});
        CHECK(m.run({0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff}, device).kind == Kind::advance);
        CHECK(m.log == Log{device, 8, 0xffff'ffff'ffff'fffe});
        CHECK(m.run({0xa2, 0, 0, 0, 0x90, 0, 0, 0, 0}, device).kind == Kind::advance); // mov [0x90000000], al
        CHECK(m.log == Log{device, 1, 0x88});
        CHECK(m.run({0xc6, 0x05, 0, 0, 0, 0, 0x41}, device + 0x107, device + 0x100).kind == Kind::advance); // [rip]
        CHECK(m.log == Log{device + 0x107, 1, 0x41});
    }
    SECTION("loads") {
        m.answer = 0xffff'ffff'8765'43a1;
        CHECK(m.run({0x8b, 0x03}, device).kind == Kind::advance); // mov eax, [rbx]: the high half becomes 0
        CHECK(m.log == Log{device, 4});
        CHECK(m.registers.rax() == 0x8765'43a1);
        m.registers.rax() = 0x1122'3344'5566'7788;
        CHECK(m.run({0x66, 0x8b, 0x03}, device).kind == Kind::advance);
        CHECK(m.registers.rax() == 0x1122'3344'5566'43a1);
        CHECK(m.run({0x8a, 0x23}, device).kind == Kind::advance); // mov ah, [rbx]
        CHECK(m.registers.rax() == 0x1122'3344'5566'a1a1);
        CHECK(m.run({0x40, 0x8a, 0x23}, device).kind == Kind::advance); // mov spl, [rbx]
        CHECK(m.registers.rsp() == 0xa1);
        CHECK(m.run({0x0f, 0xb6, 0x03}, device).kind == Kind::advance);
        CHECK(m.registers.rax() == 0xa1);
        CHECK(m.log == Log{device, 1});
        CHECK(m.run({0x48, 0x0f, 0xbe, 0x03}, device).kind == Kind::advance);
        CHECK(m.registers.rax() == 0xffff'ffff'ffff'ffa1);
        CHECK(m.run({0x0f, 0xbf, 0x03}, device).kind == Kind::advance);
        CHECK(m.registers.rax() == 0x43a1);
        CHECK(m.run({0x48, 0x63, 0x03}, device).kind == Kind::advance);
        CHECK(m.registers.rax() == 0xffff'ffff'8765'43a1);
    }
    SECTION("read, modify, write") {
        m.answer = 0x0f;
        CHECK(m.run({0x83, 0x0b, 0x10}, device).kind == Kind::advance); // or dword [rbx], 16
        CHECK(m.log == Log{device, 4, device, 4, 0x1f});
        CHECK(m.run({0x87, 0x03}, device).kind == Kind::advance); // xchg [rbx], eax
        CHECK(m.log == Log{device, 4, device, 4, 0x5566'7788});
        CHECK(m.registers.rax() == 0x0f);
        CHECK(m.run({0xf0, 0xff, 0x03}, device).kind == Kind::advance); // lock inc dword [rbx]
        CHECK(m.log == Log{device, 4, device, 4, 0x10});
        m.registers.rcx() = 0xffff'ffff'ffff'ffdc; // bit -36 is bit 28 of the second dword before
        m.registers.rbx() = device + 0x100;
        CHECK(m.run({0x0f, 0xab, 0x0b}, device + 0xf8).kind == Kind::advance); // bts [rbx], ecx
        CHECK(m.log == Log{device + 0xf8, 4, device + 0xf8, 4, 0x1000'000f});
        CHECK((m.rflags & rflags::CF) == 0);
    }
    SECTION("comparisons and arithmetic into a register write nothing") {
        m.answer = 5;
        CHECK(m.run({0x83, 0x3b, 0x05}, device).kind == Kind::advance); // cmp dword [rbx], 5
        CHECK(m.log == Log{device, 4});
        CHECK((m.rflags & rflags::ZF) != 0);
        CHECK(m.run({0xf7, 0x03, 0x02, 0, 0, 0}, device).kind == Kind::advance); // test dword [rbx], 2
        CHECK(m.log == Log{device, 4});
        CHECK((m.rflags & rflags::ZF) != 0);
        m.registers.rax() = 7;
        CHECK(m.run({0x2b, 0x03}, device).kind == Kind::advance); // sub eax, [rbx]
        CHECK(m.log == Log{device, 4});
        CHECK(m.registers.rax() == 2);
        CHECK(m.run({0x3b, 0x03}, device).kind == Kind::advance); // cmp eax, [rbx]
        CHECK(m.registers.rax() == 2);
        CHECK((m.rflags & rflags::CF) != 0);
    }
}

TEST_CASE("mmio: what is not at the faulting address, or crosses a page, is not emulated") {
    Machine m;
    m.registers.rbx() = device;
    CHECK(m.run({0x8b, 0x03}, device + 4).kind == Kind::not_emulable);
    m.registers.rbx() = device + 0xffd;
    CHECK(m.run({0x0f, 0xab, 0x03}, device + 0xffd).kind == Kind::not_emulable); // bts [rbx], eax
    CHECK(m.run({0xab}, device + 0xffd).kind == Kind::not_emulable);             // stosd
    CHECK(m.run({0x0f, 0x01, 0x3b}, device + 0xffd).kind == Kind::not_emulable); // invlpg
    CHECK(m.run({0x0f, 0xa2}, device).kind == Kind::not_emulable);
    CHECK(m.log.empty());
}

TEST_CASE("mmio: over the end of a page that is not RAM there is nothing") {
    Machine m;
    for (const u64 fault : {device + 0xffd, device + 0x1000}) {
        m.registers.rbx() = device + 0xffd;
        m.registers.rax() = 5;
        CHECK(m.run({0x89, 0x03}, fault).kind == Kind::advance); // mov [rbx], eax
        CHECK(m.run({0x8b, 0x03}, fault).kind == Kind::advance); // mov eax, [rbx]
        CHECK(m.registers.rax() == 0xffff'ffff);
        CHECK(m.run({0x0f, 0xb7, 0x43, 0x02}, fault).kind == Kind::advance); // movzx eax, word [rbx + 2]
        CHECK(m.registers.rax() == 0xffff);
        CHECK(m.run({0x21, 0x03}, fault).kind == Kind::advance); // and [rbx], eax
        CHECK(m.log.empty());
    }
    // RAM on either side
    m.map_small(0, device | 7);
    m.map_small(1, 0x5007);
    for (const u64 start : {small_pages - 2, small_pages + page_size - 2}) {
        m.registers.rbx() = start;
        CHECK(m.run({0x8b, 0x03}, device + start % page_size).kind == Kind::not_emulable);
        CHECK(m.run({0x89, 0x03}, device).kind == Kind::not_emulable);
    }
    m.registers.rbx() = small_pages + page_size * 2 - 2; // of a page that is not mapped
    CHECK(m.run({0x8b, 0x03}, device).kind == Kind::not_emulable);
}

TEST_CASE("mmio: what stores needs an access that was a store, or pages that can be written") {
    Machine m;
    m.write_fault = false;
    m.registers.rbx() = m.registers.rdi() = small_pages;
    for (const bool writable : {false, true}) {
        m.map_small(0, device | (writable ? 7 : 5));
        CHECK(m.run({0x8b, 0x03}, device).kind == Kind::advance);      // mov eax, [rbx]
        CHECK(m.run({0x39, 0x03}, device).kind == Kind::advance);      // cmp [rbx], eax
        CHECK(m.run({0x89, 0x03}, device).kind == Kind::not_emulable); // mov [rbx], eax: would fault as a store
        CHECK(m.run({0xaa}, device).kind == Kind::not_emulable);       // stosb
        const Kind changed = writable ? Kind::advance : Kind::fault;
        CHECK(m.run({0x31, 0x03}, device).kind == changed);       // xor [rbx], eax: some CPUs load first
        CHECK(m.run({0x87, 0x03}, device).kind == changed);       // xchg [rbx], eax
        CHECK(m.run({0x0f, 0xab, 0x03}, device).kind == changed); // bts [rbx], eax
    }
    m.map_small(0, (device + page_size) | 7); // another page by now
    CHECK(m.run({0x31, 0x03}, device).kind == Kind::not_emulable);
    m.map_small(0, device | 7);
    m.view.mode = CpuMode::bits32;
    m.view.segments.fill(flat);
    CHECK(m.run({0x31, 0x03}, device).kind == Kind::advance);
    SegmentState& data = m.view.segments[static_cast<u8>(SegmentName::DS)];
    constexpr u16 only_for_reading = 0xc91, code = 0xc9b;
    for (const u64 mode : {cr0::PE | cr0::PG, u64{0}}) { // paging and real mode
        m.view.paging.cr0 = mode;
        m.registers.rbx() = mode != 0 ? small_pages : device;
        for (const u16 attributes : {only_for_reading, code}) {
            data.attributes = attributes;
            const bool allowed = mode == 0 && attributes == code;
            const auto xored = m.run({0x31, 0x03}, device);
            CHECK(xored.kind == (allowed ? Kind::advance : Kind::fault));
            CHECK((allowed || xored.fault.kind == GuestFault::Kind::general_protection));
            CHECK(m.run({0x8b, 0x03}, device).kind == Kind::advance);
        }
    }
    data = {device - 0xf000, 0xffff, 0xc93};
    m.registers.rbx() = 0x10;
    m.registers.rax() = u64{0} - 0x100;                                           // 32 bytes before
    CHECK(m.run({0x67, 0x0f, 0xab, 0x07}, device + 0xff0).kind == Kind::advance); // bts [bx], eax
}

TEST_CASE("mmio: segment bases count") {
    Machine m;
    m.view.segments[static_cast<u8>(SegmentName::GS)].base = device + 0x20;
    m.registers.rbx() = 4;
    CHECK(m.run({0x65, 0x8b, 0x03}, device + 0x24).kind == Kind::advance);
    m.view.mode = CpuMode::bits32;
    m.view.segments[static_cast<u8>(SegmentName::DS)].base = 0xffff'fff0;
    CHECK(m.run({0x8b, 0x43, 0x20}, device + 0x14).kind == Kind::advance);
    CHECK(m.run({0x8b, 0x43, 0x20}, device + 0x24).kind == Kind::not_emulable);
}

TEST_CASE("mmio: MOVS moves one element an exit between the device and RAM") {
    Machine m;
    m.registers.rcx() = 2;
    m.answer = 0x8877'6655'4433'2211;
    SECTION("from the device, over a page boundary of RAM") {
        m.map_small(0, 0x20'0000 | 7);
        m.map_small(1, 0x30'0000 | 7);
        m.registers.rsi() = device + 8;
        m.registers.rdi() = small_pages + 0xffd;
        CHECK(m.run({0xf3, 0x48, 0xa5}, device + 8).kind == Kind::again);
        CHECK(m.log == Log{device + 8, 8});
        CHECK(m.registers.rsi() == device + 16);
        CHECK(m.registers.rdi() == small_pages + 0x1005);
        CHECK(m.registers.rcx() == 1);
        CHECK(m.ram.get<u32>(0x20'0ffc) == 0x3322'1100);
        CHECK(m.ram.get<u64>(0x30'0000) == 0x88'7766'5544);
        CHECK(m.run({0xf3, 0x48, 0xa5}, device + 16).kind == Kind::advance);
        CHECK(m.registers.rcx() == 0);
    }
    SECTION("to the device, downwards") {
        m.rflags |= rflags::DF;
        m.ram.put<u32>(0x30'0000, 0xcafe'f00d);
        m.registers.rsi() = 0x30'0000;
        m.registers.rdi() = device + 8;
        CHECK(m.run({0xa5}, device + 8).kind == Kind::advance);
        CHECK(m.log == Log{device + 8, 4, 0xcafe'f00d});
        CHECK(m.registers.rsi() == 0x2f'fffc);
        CHECK(m.registers.rdi() == device + 4);
        CHECK(m.registers.rcx() == 2);
    }
    SECTION("a fault of the RAM side comes before the device is touched") {
        m.map_small(0, 0x20'0000 | 5); // read-only
        m.registers.rsi() = device;
        m.registers.rdi() = small_pages + 0xffc;
        auto result = m.run({0xf3, 0xa5}, device);
        CHECK(result.kind == Kind::fault);
        CHECK(result.fault.kind == GuestFault::Kind::page_fault);
        CHECK(result.fault.error_code == 0b00011);
        m.map_small(0, 0x20'0000 | 7);
        m.registers.rdi() = small_pages + 0xffe;
        result = m.run({0xf3, 0xa5}, device); // the second page is not there
        CHECK(result.kind == Kind::fault);
        CHECK(result.fault.address == small_pages + 0x1000);
        CHECK(result.fault.error_code == 0b00010);
        CHECK(m.log.empty());
        CHECK(m.registers.rcx() == 2);
        CHECK(m.ram.get<u64>(0x20'0ff8) == 0);
    }
    SECTION("from device to device is not emulated, nor if no side is at the faulting address") {
        m.registers.rsi() = device;
        m.registers.rdi() = device + 0x100;
        CHECK(m.run({0xa4}, device).kind == Kind::not_emulable);
        m.registers.rdi() = 0x30'0000;
        CHECK(m.run({0xa4}, device + 1).kind == Kind::not_emulable);
        CHECK(m.log.empty());
    }
}

TEST_CASE("mmio: STOS and LODS, with counts of the address size") {
    Machine m;
    m.registers.rdi() = device;
    m.registers.rsi() = device;
    m.registers.rax() = 0x1234;
    m.registers.rcx() = 0x5'0000'0001;
    CHECK(m.run({0x67, 0xf3, 0xaa}, device).kind == Kind::advance); // ECX and EDI
    CHECK(m.log == Log{device, 1, 0x34});
    CHECK(m.registers.rcx() == 0);
    CHECK(m.registers.rdi() == device + 1);
    CHECK(m.run({0xf3, 0xaa}, device).kind == Kind::advance); // count is 0: nothing happens
    CHECK(m.log.empty());
    m.answer = 0xab;
    CHECK(m.run({0xac}, device).kind == Kind::advance);
    CHECK(m.registers.rax() == 0x12ab);
    CHECK(m.registers.rsi() == device + 1);
}

TEST_CASE("string i/o: elements move until the count, the bound or a fault") {
    Machine m;
    Ports ports;
    unsigned allowed = 4;
    const auto run = [&](std::initializer_list<u8> bytes) {
        const Result<Instruction> instruction = decode(std::span(bytes.begin(), bytes.size()), m.view.mode);
        REQUIRE(instruction);
        return emulate_string_io(*instruction, m.view, m.registers, m.rflags, ports, allowed);
    };
    m.registers.rdx() = 0xabcd'03f8;
    m.map_small(0, 0x20'0000 | 7);
    SECTION("INS without repeat") {
        m.registers.rdi() = 0x30'0000;
        CHECK(run({0x66, 0x6d}).kind == Kind::advance);
        CHECK(ports.log == Log{0x3f8, 2});
        CHECK(m.ram.get<u32>(0x30'0000) == 0x1101);
        CHECK(m.registers.rdi() == 0x30'0002);
    }
    SECTION("REP INS up to the page that is not there") {
        m.registers.rdi() = small_pages + 0xffe;
        m.registers.rcx() = 5;
        const EmulationResult result = run({0xf3, 0x6c});
        CHECK(result.kind == Kind::fault);
        CHECK(result.fault.kind == GuestFault::Kind::page_fault);
        CHECK(result.fault.address == small_pages + 0x1000);
        CHECK(result.fault.error_code == 0b00010);
        CHECK(m.registers.rcx() == 3);
        CHECK(m.registers.rdi() == small_pages + 0x1000);
        CHECK(ports.log.size() == 4); // the port was not read for the element that faulted
        CHECK(m.ram.get<u16>(0x20'0ffe) == 0x0201);
    }
    SECTION("REP OUTS, bounded and then continued") {
        m.registers.rsi() = 0x30'0000;
        m.registers.rcx() = string_io_elements + 1;
        m.ram.put<u32>(0x30'0000 + 4 * string_io_elements, 0x1234'5678);
        CHECK(run({0xf3, 0x6f}).kind == Kind::again);
        CHECK(m.registers.rcx() == 1);
        ports.log.clear();
        CHECK(run({0xf3, 0x6f}).kind == Kind::advance);
        CHECK(ports.log == Log{0x3f8, 4, 0x1234'5678});
        CHECK(run({0xf3, 0x6f}).kind == Kind::advance);
        CHECK(ports.log.size() == 3); // a count of 0 does nothing
    }
    SECTION("operands outside of RAM stop the guest") {
        m.registers.rsi() = device;
        const EmulationResult result = run({0x6e});
        CHECK(result.kind == Kind::fault);
        CHECK(result.fault.kind == GuestFault::Kind::not_ram);
        CHECK(result.fault.address == device);
    }
    SECTION("anything else is not emulated") { CHECK(run({0xa4}).kind == Kind::not_emulable); }
    SECTION("what is larger than the access that the CPU looked at is not emulated") {
        m.registers.rsi() = 0x30'0000;
        allowed = 1;
        CHECK(run({0x6e}).kind == Kind::advance);
        CHECK(run({0x66, 0x6f}).kind == Kind::not_emulable);
        allowed = 2;
        CHECK(run({0x66, 0x6f}).kind == Kind::advance);
        CHECK(run({0x6f}).kind == Kind::not_emulable);
    }
    CHECK(m.registers.rdx() == 0xabcd'03f8);
}

TEST_CASE("string i/o: segments of 16- and 32-bit code are checked as their CPU does") {
    Machine m;
    m.view.mode = CpuMode::bits32;
    const auto fault_of = [&](SegmentState segment, u64 offset, u8 size, bool write) {
        m.view.segments[static_cast<u8>(SegmentName::ES)] = segment;
        const auto operand = locate_operand(m.view, SegmentName::ES, offset, size, {.write = write});
        return !operand && operand.error().kind == GuestFault::Kind::general_protection;
    };
    CHECK_FALSE(fault_of(flat, 0x30'0000, 4, true));
    CHECK(fault_of({0, 0xfff, 0x493}, 0xffd, 4, true)); // the limit
    CHECK_FALSE(fault_of({0, 0xfff, 0x493}, 0xffc, 4, true));
    CHECK(fault_of({0, 0xffff'ffff, 0xc91}, 0, 4, true)); // read-only data
    CHECK_FALSE(fault_of({0, 0xffff'ffff, 0xc91}, 0, 4, false));
    CHECK(fault_of({0, 0xffff'ffff, 0xc99}, 0, 4, false)); // code that is execute-only
    CHECK(fault_of({0, 0xffff'ffff, 0xc9b}, 0, 4, true));  // code
    CHECK_FALSE(fault_of({0, 0xffff'ffff, 0xc9b}, 0, 4, false));
    CHECK(fault_of({0, 0xffff'ffff, 0xc13}, 0, 4, false)); // not present
    CHECK(fault_of({0, 0xfff, 0x497}, 0xfff, 1, false));   // expands down: valid above the limit
    CHECK_FALSE(fault_of({0, 0xfff, 0x497}, 0x1000, 1, false));
    CHECK(fault_of({0, 0xfff, 0x097}, 0xffff, 2, false)); // to 64 KiB, as it is a 16-bit one

    m.view.segments[static_cast<u8>(SegmentName::SS)] = {0, 0, 0x493};
    const auto stack = locate_operand(m.view, SegmentName::SS, 4, 4, {});
    REQUIRE_FALSE(stack);
    CHECK(stack.error().kind == GuestFault::Kind::stack_fault);

    m.view.segments[static_cast<u8>(SegmentName::ES)] = {0xffff'fff0, 0xffff'ffff, 0xc93};
    CHECK(locate_operand(m.view, SegmentName::ES, 0x2000'10, 4, {})->first.value == 0x20'0000); // wraps at 4 GiB
}
