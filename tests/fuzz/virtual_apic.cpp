// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any accesses to a vCPU's APIC, as MSRs and as a page: only what a CPU has reaches the hardware, and only with bits
// that are valid there.
#include "core/virtual_apic.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;
using Kind = ApicAccess::Kind;

/// What the hardware gets must not fault as a write to an x2APIC's MSR (SDM 3A 11.12.1.3).
void check_write(u32 number, const ApicAccess& access) {
    if (access.kind == Kind::Interrupt) {
        require(number == 0x830 || number == 0x83f, "an interrupt by another register");
        require(access.command.mode != static_cast<InterruptCommand::Mode>(3), "a reserved mode");
        return;
    }
    if (access.kind != Kind::Hardware)
        return;
    const u64 value = access.value;
    switch (number) {
    case 0x808:
        return require(value <= 0xff, "TPR");
    case 0x80b:
    case 0x828:
        return require(value == 0, "EOI or ESR");
    case 0x80f:
        return require(value <= 0x1ff, "SVR");
    case 0x832:
        return require((value & ~u64{0x700ff}) == 0 && (value & 0x60000) != 0x60000, "LVT of the timer");
    case 0x837:
        return require((value & ~u64{0x100ff}) == 0, "LVT of errors");
    case 0x838:
        return require(value <= 0xffff'ffff, "initial count");
    case 0x83e:
        return require((value & ~u64{0xb}) == 0, "divide configuration");
    default:
        fuzz::fail("a register that is not the guest's to write");
    }
}

void check_mode(const VirtualApic& apic) {
    const u64 base = apic.read(msr::IA32_APIC_BASE).value;
    require((base & ~u64{0xfff}) == 0xfee0'0000, "its page has moved");
    require((base & msr::apic_base::EXTD) == 0 || (base & msr::apic_base::EN) != 0, "a mode that there is not");
    require(((apic.address() & xapic_address::xapic_mode) != 0) == (apic.mode() == ApicMode::XApic), "its address");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    const u8 start = reader.take<u8>();
    const u32 id = start % 40;
    VirtualApic apic(id, (start & 0x80) != 0);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        const u32 number = 0x800 + reader.take<u8>();
        const u64 value = (what & 0x10) != 0 ? reader.take<u64>() : reader.take<u32>();
        switch (what & 7) {
        case 0:
            static_cast<void>(apic.write(msr::IA32_APIC_BASE, value));
            break;
        case 1:
            static_cast<void>(apic.write(msr::IA32_APIC_BASE, 0xfee0'0000 | (value & 0xd00)));
            break;
        case 2:
        case 3:
            check_write(number, apic.write(number, value));
            break;
        case 4:
        case 5: {
            const auto access = apic.write_page(number, static_cast<u32>(value));
            require(access.kind != Kind::Fault, "a fault of the page");
            check_write(number, access);
            break;
        }
        case 6: {
            require(apic.read_page(number).kind != Kind::Fault, "a fault of the page");
            static_cast<void>(apic.read(number));
            break;
        }
        default:
            apic.reset();
        }
        check_mode(apic);
        if (const auto receiver = only_receiver(value, id)) {
            const auto command = InterruptCommand::decode(value);
            require(command && command->vector >= 16, "a short way for what is no fixed interrupt");
            for (u32 other = 0; other < 64; ++other) // a broadcast is no short way's
                require(*receiver == ~0u || command->addresses(other, id) == (other == *receiver), "another receiver");
        }
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer x2apic, xapic;
    x2apic.number(0x85, 1).number(2, 1).number(0x0f, 1).number(0x1ff, 4).number(0x12, 1).number(0x30, 1);
    x2apic.number(u64{3} << 32 | 0x40, 8).number(2, 1).number(0x32, 1).number(0x2'00ec, 4).number(2, 1);
    x2apic.number(0x3f, 1).number(0x41, 4).number(2, 1).number(0x28, 1).number(0, 4);
    xapic.number(0x81, 1).number(1, 1).number(0, 1).number(0, 4).number(1, 1).number(0, 1).number(0x800, 4);
    xapic.number(4, 1).number(0x0d, 1).number(2 << 24, 4).number(4, 1).number(0x0e, 1).number(~0u, 4);
    xapic.number(4, 1).number(0x31, 1).number(0xff << 24, 4).number(4, 1).number(0x30, 1).number(0x831, 4);
    xapic.number(6, 1).number(0x30, 1).number(0, 4).number(4, 1).number(0x32, 1).number(0x700ec, 4);
    return {x2apic.seed(), xapic.seed()};
}

} // namespace bulkhead
