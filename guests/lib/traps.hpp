// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>

#include "base/types.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/layout.h"

/// Exceptions and interrupts, and running code that is expected to raise them.
namespace bulkhead::guest {

/// All registers of interrupted code, in the order of traps.S.
struct Frame {
    u64 r15 = 0, r14 = 0, r13 = 0, r12 = 0, r11 = 0, r10 = 0, r9 = 0, r8 = 0;
    u64 rbp = 0, rdi = 0, rsi = 0, rdx = 0, rcx = 0, rbx = 0, rax = 0;
    u64 vector = 0, error = 0;
    u64 rip = 0, cs = 0, rflags = 0, rsp = 0, ss = 0;
};

enum Vector : u64 {
    debug_exception = 1,
    nmi = 2,
    breakpoint = 3,
    invalid_opcode = 6,
    general_protection = 13,
    page_fault = 14,
    alignment_check = 17,
    returned = 0x81, ///< not an exception: the code reached its end
};

inline constexpr u64 trap_flag = u64{1} << 8;
inline constexpr u64 interrupt_flag = u64{1} << 9;
inline constexpr u64 resume_flag = u64{1} << 16;
inline constexpr u64 alignment_flag = u64{1} << 18;

/// Loads the guest's IDT and task state. An exception that nobody expects fails the guest and powers it off.
void install_traps();
/// The same IDT on another vCPU: for exceptions and interrupts of kernel code.
void load_traps();

/// Called with interrupts off for each interrupt of this vector (32 to 255, not 0x81; or `nmi`), or for each exception
/// or INT 0x81 outside of run_code() and attempt().
using Handler = void (*)(Frame&);
void set_handler(u64 vector, Handler handler);

/// The mode that code runs in: kernel or user, 64-bit or compatibility mode.
enum class Mode { kernel64, kernel32, user64, user32 };

/// Runs machine code with these general registers and RFLAGS until it raises an exception or reaches its end; RIP, RSP,
/// CS and SS of `registers` are set here. Returns the registers as they were then. `offset` is where in a page it
/// starts.
Frame run_code(std::span<const u8> code, Mode mode, Frame registers = {}, u64 offset = 0);
inline Frame run_code(std::initializer_list<u8> code, Mode mode, Frame registers = {}, u64 offset = 0) {
    return run_code(std::span(code.begin(), code.size()), mode, registers, offset);
}
/// The address of the first byte of code that run_code() runs at this offset.
u64 code_address(u64 offset = 0);

Frame run_with(void (*function)(void*), void* argument, u64 rflags);

/// Calls a function; an exception inside ends it. The vector of the result is `returned` if there was none.
template <typename F> Frame attempt(F&& function, u64 rflags = 2) {
    using Body = std::remove_reference_t<F>;
    return run_with([](void* body) { (*static_cast<Body*>(body))(); },
                    const_cast<void*>(static_cast<const void*>(std::addressof(function))), rflags);
}

/// Checks that a function raises this exception with this error code.
template <typename F> void expect_fault(Vector vector, u64 error, std::string_view what, F&& function) {
    const Frame frame = attempt(function);
    check(frame.vector == vector && frame.error == error, what, ": vector ", frame.vector, " error ", Hex{frame.error},
          ", expected vector ", u64{vector}, " error ", Hex{error});
}

/// Checks that a function raises no exception.
template <typename F> void expect_no_fault(std::string_view what, F&& function) {
    const Frame frame = attempt(function);
    check(frame.vector == returned, what, ": vector ", frame.vector, " error ", Hex{frame.error}, " at ",
          Hex{frame.rip});
}

} // namespace bulkhead::guest
