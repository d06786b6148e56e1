// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// A port where nothing is reads as all ones and takes what is written, in every width and form, the dangerous ones of a
// PC included; string instructions work, and a fault on their memory is the guest's.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

// PIC, PIT, i8042, RTC, port 0x80, port A, keyboard reset, SMI, PCI, fw_cfg, second UART, IDE, VGA, debug ports
constexpr std::array<u16, 28> absent{0x20,  0x21,  0xa0,  0xa1,  0x40,  0x43,  0x61,  0x60,  0x64,  0x70,
                                     0x71,  0x80,  0x92,  0xb2,  0xcf8, 0xcf9, 0xcfc, 0xcff, 0x510, 0x511,
                                     0x2f8, 0x1f7, 0x3d4, 0x402, 0xe9,  0x0,   0xf4,  0xfffc};

alignas(4096) std::array<u8, 4 * 4096> buffer;
constexpr u64 unmapped = 0x2'0000'0000; // beyond the 4 GiB of the guest's page tables
constexpr u64 io_privilege = u64{3} << 12;
constexpr u64 direction = u64{1} << 10;

u64 buffer_address(u64 offset = 0) { return reinterpret_cast<u64>(buffer.data()) + offset; }

void check_values() {
    for (const u16 port : absent) {
        check_equal(in8(port), 0xff, "8 bits of ", Hex{port});
        check_equal(in16(port), 0xffff, "16 bits of ", Hex{port});
        check_equal(in32(port), 0xffffffff, "32 bits of ", Hex{port});
    }
}

// A PC resets on these: 0xcf9 (chipset), 0x92 (fast reset), 0x64 (keyboard controller).
void check_writes_vanish() {
    out8(0xcf9, 0x06);
    out8(0x92, 0x01);
    out8(0x64, 0xfe);
    for (const u16 port : absent) {
        out8(port, 0x55);
        out16(port, 0x5555);
        out32(port, 0x55555555);
        check_equal(in8(port), 0xff, "after a write to ", Hex{port});
    }
}

struct InForm {
    std::string_view what;
    std::array<u8, 3> bytes;
    u8 size;
    u64 rax;
};
constexpr u64 before = 0x1122334455667788;
constexpr InForm in_forms[] = {
    {"in al, 0x80", {0xe4, 0x80}, 2, 0x11223344556677ff},
    {"in ax, 0x80", {0x66, 0xe5, 0x80}, 3, 0x112233445566ffff},
    {"in eax, 0x80", {0xe5, 0x80}, 2, 0xffffffff},
    {"in al, dx", {0xec}, 1, 0x11223344556677ff},
    {"in ax, dx", {0x66, 0xed}, 2, 0x112233445566ffff},
    {"in eax, dx", {0xed}, 1, 0xffffffff},
    {"rex.w in eax, dx", {0x48, 0xed}, 2, 0xffffffff},
    {"out 0x80, al", {0xe6, 0x80}, 2, before},
    {"out 0x80, ax", {0x66, 0xe7, 0x80}, 3, before},
    {"out 0x80, eax", {0xe7, 0x80}, 2, before},
    {"out dx, al", {0xee}, 1, before},
    {"out dx, ax", {0x66, 0xef}, 2, before},
    {"out dx, eax", {0xef}, 1, before},
};

void check_forms() {
    for (const InForm& form : in_forms) {
        const Frame r =
            run_code(std::span(form.bytes).first(form.size), Mode::kernel64, {.rdx = 0xdead'0080, .rax = before});
        check_equal(r.vector, returned, form.what, ": vector");
        check_equal(r.rax, form.rax, form.what, ": RAX");
        check_equal(r.rip, code_address() + form.size + 2, form.what, ": RIP");
    }
    const Frame user = run_code({0xec}, Mode::user64, {.rdx = 0x80, .rax = before});
    check(user.vector == general_protection && user.error == 0, "user mode without IOPL: vector ", user.vector);
    const Frame allowed = run_code({0xec}, Mode::user64, {.rdx = 0x80, .rax = before, .rflags = io_privilege});
    check(allowed.vector == returned && (allowed.rax & 0xff) == 0xff, "user mode with IOPL 3: vector ", allowed.vector);
}

void check_uart() {
    out8(uart_scratch, 0x5a);
    check_equal(in8(uart_scratch), 0x5a, "the UART's scratch register");
    check_equal(in16(uart_msr) >> 8, 0x5a, "16 bits of the UART");
    check_equal(in32(uart_mcr) >> 24, 0x5a, "32 bits of the UART");
}

struct StringForm {
    std::string_view what;
    std::array<u8, 4> bytes;
    u8 size;
    u8 width;
};
constexpr StringForm ins_forms[] = {
    {"rep insb", {0xf3, 0x6c}, 2, 1},
    {"rep insw", {0xf3, 0x66, 0x6d}, 3, 2},
    {"rep insd", {0xf3, 0x6d}, 2, 4},
    {"repne insb", {0xf2, 0x6c}, 2, 1},
};

void check_string_input() {
    constexpr u64 count = 1500; // across a page boundary
    for (const StringForm& form : ins_forms) {
        buffer.fill(0x33);
        const u64 start = 1000;
        const Frame r = run_code(std::span(form.bytes).first(form.size), Mode::kernel64,
                                 {.rdi = buffer_address(start), .rdx = 0x80, .rcx = count});
        const u64 size = count * form.width;
        check_equal(r.vector, returned, form.what, ": vector");
        check_equal(r.rcx, 0, form.what, ": RCX");
        check_equal(r.rdi, buffer_address(start) + size, form.what, ": RDI");
        check_equal(r.rip, code_address() + form.size + 2, form.what, ": RIP");
        bool right = buffer[start - 1] == 0x33 && buffer[start + size] == 0x33;
        for (u64 i = start; i < start + size; ++i)
            right = right && buffer[i] == 0xff;
        check(right, form.what, ": what it wrote");
    }
    buffer.fill(0x33);
    const Frame one = run_code({0x6c}, Mode::kernel64, {.rdi = buffer_address(), .rdx = uart_scratch, .rcx = 7});
    check(one.rcx == 7 && one.rdi == buffer_address(1) && buffer[0] == 0x5a && buffer[1] == 0x33, "insb once");
    const Frame none = run_code({0xf3, 0x6c}, Mode::kernel64, {.rdi = unmapped, .rdx = 0x80, .rcx = 0});
    check(none.vector == returned && none.rdi == unmapped, "rep insb of nothing");
    const Frame down = run_code({0xf3, 0x6c}, Mode::kernel64,
                                {.rdi = buffer_address(7), .rdx = uart_scratch, .rcx = 4, .rflags = direction});
    check(down.rdi == buffer_address(3) && buffer[7] == 0x5a && buffer[4] == 0x5a && buffer[3] == 0x33,
          "rep insb downwards");
    const Frame narrow = run_code({0x67, 0xf3, 0x6c}, Mode::kernel64,
                                  {.rdi = 0xdead'0000'0000'0000 | buffer_address(), .rdx = uart_scratch, .rcx = 2});
    check(narrow.vector == returned && narrow.rdi == buffer_address(2) && narrow.rcx == 0, "addr32 rep insb: RDI ",
          Hex{narrow.rdi});
}

void check_string_output() {
    buffer.fill(0x77);
    buffer[99] = 0xa5;
    const Frame r = run_code({0xf3, 0x6e}, Mode::kernel64, {.rsi = buffer_address(), .rdx = uart_scratch, .rcx = 100});
    check(r.vector == returned && r.rcx == 0 && r.rsi == buffer_address(100), "rep outsb: vector ", r.vector);
    check_equal(in8(uart_scratch), 0xa5, "what rep outsb wrote last");
    const Frame wide = run_code({0xf3, 0x6f}, Mode::kernel64, {.rsi = buffer_address(), .rdx = 0x80, .rcx = 1100});
    check(wide.vector == returned && wide.rcx == 0 && wide.rsi == buffer_address(4400), "rep outsd: vector ",
          wide.vector);
    const Frame user =
        run_code({0xf3, 0x6c}, Mode::user32, {.rdi = buffer_address(), .rdx = 0x80, .rcx = 16, .rflags = io_privilege});
    check(user.vector == returned && user.rdi == buffer_address(16), "rep insb in 32-bit user mode: vector ",
          user.vector);
}

void check_string_faults() {
    const Frame in = run_code({0xf3, 0x6c}, Mode::kernel64, {.rdi = unmapped, .rdx = 0x80, .rcx = 3});
    check(in.vector == page_fault && in.error == 2 && read_cr2() == unmapped, "rep insb to no page: vector ", in.vector,
          " error ", Hex{in.error}, " CR2 ", Hex{read_cr2()});
    check(in.rip == code_address() && in.rcx == 3, "the faulting rep insb can be started again");
    const Frame out = run_code({0xf3, 0x6e}, Mode::kernel64, {.rsi = unmapped + 5, .rdx = 0x80, .rcx = 3});
    check(out.vector == page_fault && out.error == 0 && read_cr2() == unmapped + 5, "rep outsb from no page: vector ",
          out.vector, " error ", Hex{out.error}, " CR2 ", Hex{read_cr2()});
}

} // namespace

void run() {
    check_values();
    check_writes_vanish();
    check_forms();
    check_uart();
    check_string_input();
    check_string_output();
    check_string_faults();
}

} // namespace bulkhead::guest
