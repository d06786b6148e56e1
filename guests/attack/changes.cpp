// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/encode.hpp"

// Ways between the modes: the bits that lead into long mode and out of it, in every order (SDM 3A 2.5, 4.1.2, 10.8.5,
// APM 2 14.6), and what lies between protected and real mode.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 page_map[];

namespace {

using namespace attack;

enum class Step : u8 { set_lme, clear_lme, set_pae, clear_pae, set_pg, clear_pg, clear_pe };
constexpr u64 step_count = 7, longest = 4;

constexpr u32 cr0_pe = 1, cr0_pg = 1u << 31, cr4_pae = 0x20, efer_lme = 0x100;

/// What the CPU must make of one step after the other.
class Model {
public:
    enum class Answer : u8 { done, refused, not_tried };

    [[nodiscard]] bool is_long() const { return lme_ && pg_; }
    Answer step(Step step) {
        using enum Answer;
        const bool lme = step == Step::set_lme, pae = step == Step::set_pae;
        switch (step) {
        case Step::set_lme:
        case Step::clear_lme:
            if (pg_ && lme != lme_)
                return is_long() ? not_tried : refused; // the vectors of long mode are not there
            lme_ = lme;
            return done;
        case Step::set_pae:
        case Step::clear_pae:
            if (pg_ && pae != pae_) // refused in long mode; else the tables become others under the code
                return not_tried;
            pae_ = pae;
            return done;
        case Step::set_pg:
            if (!pg_ && lme_ && !pae_)
                return refused;
            pg_ = true;
            return done;
        case Step::clear_pg:
            pg_ = false;
            return done;
        case Step::clear_pe:
            return pg_ && !is_long() ? refused : not_tried;
        }
        return not_tried;
    }
    /// What CR3 must have for paging to begin.
    [[nodiscard]] u32 root() const {
        const void* const root = !pae_  ? static_cast<const void*>(legacy_tables.directory)
                                 : lme_ ? static_cast<const void*>(page_map)
                                        : static_cast<const void*>(legacy_tables.pae_pointers);
        return static_cast<u32>(reinterpret_cast<u64>(root));
    }
    [[nodiscard]] bool pages() const { return pg_; }

private:
    bool lme_ = false, pae_ = false, pg_ = false;
};

/// 32-bit code. Each step ends with the instruction that may be refused, of 2 or 3 bytes.
void add_register(Code& code, u8 modrm, u32 bit, bool set) { // MOV EAX, CRn; OR or AND; MOV CRn, EAX
    code.add(0x0f, 0x20, modrm, set ? 0x0d : 0x25).add_number(set ? bit : ~bit, 4).add(0x0f, 0x22, modrm);
}
void add_step(Code& code, Step step, const Model& before) {
    constexpr u8 cr0 = 0xc0, cr3 = 0xd8, cr4 = 0xe0;
    switch (step) {
    case Step::set_lme:
    case Step::clear_lme: { // MOV ECX; RDMSR; OR or AND; WRMSR
        const bool set = step == Step::set_lme;
        code.add(0xb9).add_number(0xc0000080, 4).add(0x0f, 0x32, set ? 0x0d : 0x25);
        code.add_number(set ? efer_lme : ~efer_lme, 4).add(0x0f, 0x30);
        return;
    }
    case Step::set_pae:
    case Step::clear_pae:
        return add_register(code, cr4, cr4_pae, step == Step::set_pae);
    case Step::set_pg:
        if (!before.pages()) // MOV EAX; MOV CR3, EAX
            code.add(0xb8).add_number(before.root(), 4).add(0x0f, 0x22, cr3);
        return add_register(code, cr0, cr0_pg, true);
    case Step::clear_pg:
        return add_register(code, cr0, cr0_pg, false);
    case Step::clear_pe:
        return add_register(code, cr0, cr0_pe, false);
    }
}

/// The steps are the digits of `order`.
void try_order(Group& group, u64 order, u64 count) {
    Model model;
    Code code;
    u64 refused_at = 0;
    for (u64 i = 0, rest = order; i < count && refused_at == 0; ++i, rest /= step_count) {
        const Step step{static_cast<u8>(rest % step_count)};
        add_step(code, step, model);
        const Model::Answer answer = model.step(step);
        if (answer == Model::Answer::not_tried)
            return;
        if (answer == Model::Answer::refused)
            refused_at = code.size() - (step == Step::set_lme || step == Step::clear_lme ? 2 : 3);
    }
    if (model.is_long())
        add_step(code, Step::clear_pg, model);
    const LegacyEnd end = run_legacy(LegacyMode::protected32, code.bytes(), {});
    const bool as_should = refused_at == 0 ? end.vector == returned
                                           : end.vector == general_protection && end.eip == mode_code + refused_at;
    group.expect(as_should, "order ", order, " of ", count, ": vector ", end.vector, " at ", Hex{end.eip});
}

/// Without PE the segments are as they were until they are loaded: 32-bit code stays that (SDM 3A 10.9.2).
void try_without_loading(Group& group) {
    // AND AL, ~PE; MOV CR0, EAX; MOV ECX, [EBX]; OR AL, PE; MOV CR0, EAX
    constexpr u8 code[] = {0x24, 0xfe, 0x0f, 0x22, 0xc0, 0x8b, 0x0b, 0x0c, 0x01, 0x0f, 0x22, 0xc0};
    const u32 cr0 = static_cast<u32>(read_cr0()) & ~cr0_pg;
    for (const u32 device : {0xa0000u, 0xfed00000u}) {
        const LegacyEnd end = run_legacy(LegacyMode::protected32, code, {.registers = {.ebx = device, .eax = cr0}});
        group.expect(end.vector == returned && end.registers.ecx == ~0u, "32-bit code without PE: vector ", end.vector,
                     " ECX ", Hex{end.registers.ecx});
    }
}

} // namespace

void run() {
    prepare_modes();
    Group group("changes of mode");
    u64 orders = 1;
    for (u64 count = 1; count <= longest; ++count) {
        orders *= step_count;
        for (u64 order = 0; order < orders; ++order)
            try_order(group, order, count);
    }
    try_without_loading(group);
}

} // namespace bulkhead::guest
