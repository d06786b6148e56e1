// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// The I/O APIC answers every instruction that a compiler or a person would access it with, and its pin 4 brings the
// UART's interrupt when, and only when, it is programmed to.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u32 version = 0x00170020; // 24 pins, version 0x20: what IOWIN reads in all the forms below
constexpr u32 spare_pin = 10;
constexpr u8 vector = 0x52;
constexpr u64 zero_flag = 1 << 6;

volatile u64 received;
volatile u64 held; // handler: so many interrupts are ended with the line still high
volatile u8 cause;

struct Form {
    std::string_view what;
    std::array<u8, 12> bytes;
    u8 size;
    u64 rax; ///< afterwards
};

// RBX is the address of IOWIN and RAX is `initial` before.
constexpr u64 initial = 0x1122334455667788;
constexpr Form reads[] = {
    {"mov eax, [rbx]", {0x8b, 0x03}, 2, version},
    {"mov rax, [rbx], low half", {0x48, 0x8b, 0x03, 0x89, 0xc0}, 5, version},
    {"mov ax, [rbx]", {0x66, 0x8b, 0x03}, 3, 0x1122334455660020},
    {"mov al, [rbx]", {0x8a, 0x03}, 2, 0x1122334455667720},
    {"mov ah, [rbx]", {0x8a, 0x23}, 2, 0x1122334455662088},
    {"movzx eax, byte [rbx]", {0x0f, 0xb6, 0x03}, 3, 0x20},
    {"movzx eax, word [rbx]", {0x0f, 0xb7, 0x03}, 3, 0x20},
    {"movzx rax, byte [rbx]", {0x48, 0x0f, 0xb6, 0x03}, 4, 0x20},
    {"movsx eax, byte [rbx]", {0x0f, 0xbe, 0x03}, 3, 0x20},
    {"movsxd rax, [rbx]", {0x48, 0x63, 0x03}, 3, version},
    {"mov eax, [rbx + disp8]", {0x8b, 0x43, 0x00}, 3, version},
    {"mov eax, [rbx + disp32]", {0x8b, 0x83, 0, 0, 0, 0}, 6, version},
    {"mov eax, [rbx + rcx * 4]", {0x8b, 0x04, 0x8b}, 3, version},
    {"mov eax, [ebx]", {0x67, 0x8b, 0x03}, 3, version},
    {"mov eax, [abs32]", {0x67, 0x8b, 0x04, 0x25, 0x10, 0x00, 0xc0, 0xfe}, 8, version},
    {"mov eax, moffs64", {0xa1, 0x10, 0x00, 0xc0, 0xfe, 0, 0, 0, 0}, 9, version},
    {"mov r15d, [rbx]; mov eax, r15d", {0x44, 0x8b, 0x3b, 0x44, 0x89, 0xf8}, 6, version},
    {"add eax, [rbx]", {0x03, 0x03}, 2, 0x55667788 + version},
    {"or eax, [rbx]", {0x0b, 0x03}, 2, 0x55667788 | version},
    {"and eax, [rbx]", {0x23, 0x03}, 2, 0x55667788 & version},
    {"sub eax, [rbx]", {0x2b, 0x03}, 2, 0x55667788 - version},
    {"xor eax, [rbx]", {0x33, 0x03}, 2, 0x55667788 ^ version},
    {"lodsd", {0xad}, 1, version},
};

void check_reads() {
    at<u32>(io_apic_select) = io_apic_version;
    for (const Form& form : reads) {
        const Frame r = run_code(std::span(form.bytes).first(form.size), Mode::kernel64,
                                 {.rsi = io_apic_window, .rbx = io_apic_window, .rax = initial});
        check_equal(r.vector, returned, form.what, ": vector");
        check_equal(r.rax, form.rax, form.what);
        check_equal(r.rip, code_address() + form.size + 2, form.what, ": RIP");
    }
}

constexpr Form comparisons[] = {
    {"cmp eax, [rbx]", {0x3b, 0x03}, 2, 0},
    {"cmp [rbx], eax", {0x39, 0x03}, 2, 0},
    {"cmp dword [rbx], imm32", {0x81, 0x3b, 0x20, 0x00, 0x17, 0x00}, 6, 0},
    {"cmp byte [rbx], imm8", {0x80, 0x3b, 0x20}, 3, 0},
    {"test dword [rbx], imm32", {0xf7, 0x03, 0x00, 0xff, 0x00, 0xff}, 6, 0},
    {"test byte [rbx], imm8", {0xf6, 0x03, 0x01}, 3, 0},
};

void check_comparisons() {
    at<u32>(io_apic_select) = io_apic_version;
    for (const Form& form : comparisons) {
        const Frame r =
            run_code(std::span(form.bytes).first(form.size), Mode::kernel64, {.rbx = io_apic_window, .rax = version});
        check(r.vector == returned && (r.rflags & zero_flag) != 0, form.what, ": vector ", r.vector, " RFLAGS ",
              Hex{r.rflags});
    }
    const Frame r = run_code({0x85, 0x03}, Mode::kernel64, {.rbx = io_apic_window, .rax = 0x20});
    check(r.vector == returned && (r.rflags & zero_flag) == 0, "test [rbx], eax: RFLAGS ", Hex{r.rflags});
}

struct WriteForm {
    std::string_view what;
    std::array<u8, 12> bytes;
    u8 size;
    u32 before;
    u32 after;
};

// To the redirection entry of a spare pin, masked throughout. RAX = 0x100f1.
constexpr WriteForm writes[] = {
    {"mov [rbx], eax", {0x89, 0x03}, 2, 0x10000, 0x100f1},
    {"mov dword [rbx], imm32", {0xc7, 0x03, 0x42, 0x00, 0x01, 0x00}, 6, 0x10000, 0x10042},
    {"mov [moffs64], eax", {0xa3, 0x10, 0x00, 0xc0, 0xfe, 0, 0, 0, 0}, 9, 0x10000, 0x100f1},
    {"and [rbx], eax", {0x21, 0x03}, 2, 0x10073, 0x10071},
    {"or [rbx], eax", {0x09, 0x03}, 2, 0x10002, 0x100f3},
    {"xor [rbx], eax", {0x31, 0x03}, 2, 0x00001, 0x100f0},
    {"lock or [rbx], eax", {0xf0, 0x09, 0x03}, 3, 0x10002, 0x100f3},
    {"and dword [rbx], imm32", {0x81, 0x23, 0x0f, 0x00, 0x01, 0x00}, 6, 0x10073, 0x10003},
    {"or dword [rbx], imm8", {0x83, 0x0b, 0x40}, 3, 0x10003, 0x10043},
    {"bts dword [rbx], 5", {0x0f, 0xba, 0x2b, 0x05}, 4, 0x10003, 0x10023},
    {"btr dword [rbx], 0", {0x0f, 0xba, 0x33, 0x00}, 4, 0x10003, 0x10002},
    {"inc dword [rbx]", {0xff, 0x03}, 2, 0x10003, 0x10004},
    {"stosd", {0xab}, 1, 0x10003, 0x100f1},
};

void check_writes() {
    for (const WriteForm& form : writes) {
        io_apic_write(redirection(spare_pin), form.before | io_apic_masked);
        const Frame r = run_code(std::span(form.bytes).first(form.size), Mode::kernel64,
                                 {.rdi = io_apic_window, .rbx = io_apic_window, .rax = 0x100f1});
        check_equal(r.vector, returned, form.what, ": vector");
        const u32 after = at<u32>(io_apic_window);
        check((after | io_apic_masked) == (form.after | io_apic_masked), form.what, ": ", Hex{after});
    }
    io_apic_write(redirection(spare_pin), 0x10033);
    const Frame r = run_code({0x87, 0x03}, Mode::kernel64, {.rbx = io_apic_window, .rax = 0x100f1});
    check(r.rax == 0x10033 && at<u32>(io_apic_window) == 0x100f1, "xchg [rbx], eax");
    mask_pin(spare_pin);
}

void check_string_moves() {
    std::array<u32, 4> memory{1, 1, 1, 1};
    at<u32>(io_apic_select) = io_apic_version;
    const u64 address = reinterpret_cast<u64>(memory.data());
    const Frame in = run_code({0xf3, 0xa5}, Mode::kernel64, {.rdi = address, .rsi = io_apic_window, .rcx = 4});
    check(in.vector == returned && in.rcx == 0 && in.rdi == address + 16, "rep movsd from MMIO: vector ", in.vector);
    check(at<u32>(address) == version && at<u32>(address + 4) == 0, "rep movsd from MMIO: what it read");
    at<u32>(io_apic_select) = redirection(spare_pin);
    at<u32>(address) = 0x10077;
    const Frame out = run_code({0xa5}, Mode::kernel64, {.rdi = io_apic_window, .rsi = address});
    check(out.vector == returned && out.rsi == address + 4, "movsd to MMIO: vector ", out.vector);
    check_equal(at<u32>(io_apic_window), 0x10077, "movsd to MMIO: what it wrote");
    mask_pin(spare_pin);
}

void check_registers() {
    io_apic_write(0, 0x0f000000);
    check_equal(io_apic_read(0), 0x0f000000, "ID");
    io_apic_write(0, 0);
    check_equal(io_apic_read(io_apic_version), version, "version");
    for (u32 pin = 0; pin < 24; ++pin) {
        check((io_apic_read(redirection(pin)) & io_apic_masked) != 0, "pin ", pin, " is masked at first");
        io_apic_write(redirection(pin), 0xffff'ffff);
        check_equal(io_apic_read(redirection(pin)) & 0x15000, 0x10000, "pin ", pin, ": its read-only bits");
        io_apic_write(redirection(pin), io_apic_masked);
        io_apic_write(redirection(pin) + 1, 0xa5000000);
        check_equal(io_apic_read(redirection(pin) + 1) & 0xff000000, 0xa5000000, "pin ", pin, ": destination");
        io_apic_write(redirection(pin) + 1, 0);
    }
    io_apic_write(0x40, 0xffffffff); // no such register
    io_apic_write(0xff, 0xffffffff);
    check_equal(io_apic_read(io_apic_version), version, "version, after writes to no register");
}

/// Makes the transmitter raise its interrupt anew, waits, and returns how many came.
u64 interrupts_of_transmitter() {
    const u64 before = received;
    out8(uart_ier, 0);
    out8(uart_ier, ier_transmit);
    sti();
    pm_timer_wait(pm_timer_hz / 500);
    cli();
    out8(uart_ier, 0);
    in8(uart_iir);
    return received - before;
}

void check_pin() {
    out8(uart_mcr, mcr_out2 | 3);
    mask_pin(uart_pin);
    u64 count = interrupts_of_transmitter();
    check_equal(count, 0, "interrupts of the masked pin");
    route_pin(uart_pin, vector);
    wrmsr(x2apic_tpr, 0);
    sti();
    pm_timer_wait(pm_timer_hz / 500);
    cli();
    received = 0; // an edge on a masked pin may be kept until then
    count = interrupts_of_transmitter();
    check_equal(count, 1, "interrupts of the open pin");
    check_equal(cause & iir_cause, iir_transmit, "the UART's reason");
    io_apic_write(redirection(uart_pin), 1 << 11 | vector); // logical, to the first APIC
    io_apic_write(redirection(uart_pin) + 1, 1 << 24);
    count = interrupts_of_transmitter();
    check_equal(count, 1, "interrupts by logical destination");
    io_apic_write(redirection(uart_pin) + 1, 0);
    io_apic_write(redirection(uart_pin), 5); // no legal vector
    count = interrupts_of_transmitter();
    check_equal(count, 0, "interrupts with a vector below 16");
    mask_pin(uart_pin);
}

/// Level-triggered: ended by the local APIC's EOI alone, it comes again as long as the line is high.
void check_level() {
    constexpr u32 level = 1 << 15;
    constexpr u32 remote_irr = 1 << 14;
    io_apic_write(redirection(uart_pin), level | vector);
    for (const u64 times : {5u, 0u, 3u}) {
        held = times;
        const u64 count = interrupts_of_transmitter();
        check_equal(count, times + 1, "interrupts of a line that is high for ", times);
        check_equal(io_apic_read(redirection(uart_pin)), level | vector, "the entry afterwards");
    }
    // In service and masked, then ended: open again, it interrupts again.
    received = 0;
    out8(uart_ier, ier_transmit);
    check((io_apic_read(redirection(uart_pin)) & remote_irr) != 0, "an interrupt that waits");
    io_apic_write(redirection(uart_pin), io_apic_masked | level | vector);
    held = 1;
    sti();
    pm_timer_wait(pm_timer_hz / 500);
    check_equal(received, 1, "interrupts of a pin masked since");
    check_equal(io_apic_read(redirection(uart_pin)), io_apic_masked | level | vector, "the masked entry");
    io_apic_write(redirection(uart_pin), level | vector);
    pm_timer_wait(pm_timer_hz / 500);
    cli();
    check_equal(received, 2, "interrupts after it was opened");
    out8(uart_ier, 0);
    mask_pin(uart_pin);
}

} // namespace

void run() {
    enable_apic();
    set_handler(vector, [](Frame&) {
        if (held == 0)
            cause = in8(uart_iir); // lowers the transmitter's line
        else
            held = held - 1;
        received = received + 1;
        end_of_interrupt();
    });
    check_registers();
    check_reads();
    check_comparisons();
    check_writes();
    check_string_moves();
    check_pin();
    check_level();
    check_pin(); // edges again
}

} // namespace bulkhead::guest
