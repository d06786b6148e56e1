// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/random.hpp"
#include "guests/lib/modes.hpp"

// In the modes without long mode, one in each life. Where there is no paging every address is there, and many are not
// the guest's: such a life is short.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

LegacyMode mode;
std::string_view mode_name;

u32 operand() {
    constexpr u32 device_page = 0xfed00000;
    const u64 kind = random();
    if (kind % 4 == 0 && has_paging(mode))
        return static_cast<u32>(random());
    if (kind % 4 == 1)
        return random() & 0xffff;
    if (kind % 16 == 2 && !has_small_segments(mode))
        return address_of(mode, device_page + (random() & 0x1ff8)).offset;
    return address_of(mode, mode_buffer + (random() & 0x1ff8)).offset;
}

u16 segment() {
    constexpr u16 hole = 0xa000;
    const u64 kind = random();
    return kind % 8 == 0 ? static_cast<u16>(random()) : kind % 8 == 1 ? hole : address_of(mode, mode_buffer).segment;
}

void run_one() {
    restore_low_segment();
    std::array<u8, 48> code;
    fill_randomly(code);
    LegacyRun run{.ds = segment(), .es = segment(), .flags = interrupt_flag | 2, .offset = 1024};
    LegacyRegisters& registers = run.registers;
    registers = {.edi = operand(), .esi = operand(), .ebp = operand()};
    registers.ebx = operand(), registers.edx = operand(), registers.ecx = operand(), registers.eax = operand();
    progress.begin_one(0);
    start_tick();
    const LegacyEnd end = run_legacy(mode, code, run);
    stop_timer();
    if (end.vector >= 32 && end.vector != returned)
        end_of_interrupt();
}

void prepare(u64 seed) {
    mode = legacy_modes[seed % std::size(legacy_modes)];
    mode_name = name_of(mode);
    prepare_modes();
    if (has_paging(mode))
        show(mode, 0xfed00000);
}

} // namespace

void run() { live_randomly("random code in other modes", {&mode_name, 1}, prepare, run_one); }

} // namespace bulkhead::guest
