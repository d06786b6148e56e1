// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/guest_state.hpp"

#include <map>
#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "unit/vmx/guest_states.hpp"

using namespace bulkhead;
using namespace bulkhead::vmx;
using namespace bulkhead::vmx::test_states;

namespace {

std::vector<std::string> violations(const GuestState& state) {
    std::vector<std::string> found;
    for_each_violation(state, [&](std::string_view where, std::string_view rule) {
        found.push_back(where.empty() ? std::string(rule) : std::string(where) + ": " + std::string(rule));
    });
    return found;
}

std::string joined(const GuestState& state) {
    std::string text;
    for (const std::string& each : violations(state))
        text += each + "; ";
    return text;
}

} // namespace

TEST_CASE("VMX guest state: good states break no rule") {
    CHECK(joined(long_mode()) == "");
    CHECK(joined(real_mode()) == "");
    for (const Case& each : allowed) {
        INFO(each.broken);
        GuestState state = each.good();
        each.damage(state);
        CHECK(joined(state) == "");
    }
}

TEST_CASE("VMX guest state: a broken rule is named, and no other is") {
    for (const Case& each : cases) {
        GuestState state = each.good();
        each.damage(state);
        CHECK(joined(state) == each.broken + "; ");
    }
}

TEST_CASE("VMX guest state: every rule is broken by a test") {
    std::set<std::string> broken;
    for (const Case& each : cases)
        broken.insert(each.broken);
    for (const StateRule& rule : state_rules())
        CHECK(broken.contains(std::string(rule.name)));
    for (const SegmentRule& rule : segment_rules()) {
        INFO(rule.name);
        bool found = false;
        for (const std::string_view name : segment_names)
            found = found || broken.contains(std::string(name) + ": " + std::string(rule.name));
        CHECK(found);
    }
}

TEST_CASE("VMX guest state: several broken rules are all named") {
    GuestState state; // no VMCS was ever filled
    state.cpu = *decide_capabilities(test::modern_vmx());
    CHECK(violations(state).size() > 10);
}

TEST_CASE("VMX guest state: each field of the VMCS has its place") {
    // A value that names its field.
    std::set<u32> fields;
    const auto value = [](u32 field) { return u64{0x5000'0000} | field; };
    const GuestState state = read_guest_state(Capabilities{.revision = 7}, [&](Field field) {
        CHECK(fields.insert(static_cast<u32>(field)).second);
        return value(static_cast<u32>(field));
    });
    CHECK(state.cpu.revision == 7);
    CHECK(fields.size() == std::size(state_fields) + 4 + 8 * 4);
    // Encodings from SDM 3C appendix B.
    CHECK(state.pin == value(0x4000));
    CHECK(state.primary == value(0x4002));
    CHECK(state.secondary == value(0x401e));
    CHECK(state.entry == value(0x4012));
    CHECK(state.vpid == value(0x0000));
    CHECK(state.ept_pointer == value(0x201a));
    CHECK(state.io_bitmap_a == value(0x2000));
    CHECK(state.io_bitmap_b == value(0x2002));
    CHECK(state.msr_bitmap == value(0x2004));
    CHECK(state.event == value(0x4016));
    CHECK(state.event_error_code == value(0x4018));
    CHECK(state.event_length == value(0x401a));
    CHECK(state.cr0 == value(0x6800));
    CHECK(state.cr3 == value(0x6802));
    CHECK(state.cr4 == value(0x6804));
    CHECK(state.dr7 == value(0x681a));
    CHECK(state.debugctl == value(0x2802));
    CHECK(state.pat == value(0x2804));
    CHECK(state.efer == value(0x2806));
    CHECK(state.sysenter_esp == value(0x6824));
    CHECK(state.sysenter_eip == value(0x6826));
    CHECK(state.gdtr_base == value(0x6816));
    CHECK(state.gdtr_limit == value(0x4810));
    CHECK(state.idtr_base == value(0x6818));
    CHECK(state.idtr_limit == value(0x4812));
    CHECK(state.rip == value(0x681e));
    CHECK(state.rflags == value(0x6820));
    CHECK(state.activity == value(0x4826));
    CHECK(state.interruptibility == value(0x4824));
    CHECK(state.pending_debug == value(0x6822));
    CHECK(state.link_pointer == value(0x2800));
    CHECK(state.pdptes[0] == value(0x280a));
    CHECK(state.pdptes[3] == value(0x2810));
    CHECK(state.segments[es].selector == value(0x0800));
    CHECK(state.segments[cs].base == value(0x6808));
    CHECK(state.segments[ss].limit == value(0x4804));
    CHECK(state.segments[ldtr].rights == value(0x4820));
    CHECK(state.segments[tr].base == value(0x6814));
    CHECK(state.segments[tr].rights == value(0x4822));
}

TEST_CASE("VMX guest state: the errors of VMX instructions") {
    const std::map<u64, std::string_view> table_31_1{
        {1, "VMCALL executed in VMX root operation"},       {7, "VM entry with invalid control field(s)"},
        {8, "VM entry with invalid host-state field(s)"},   {12, "VMREAD/VMWRITE from/to unsupported VMCS component"},
        {13, "VMWRITE to read-only VMCS component"},        {15, "VMXON executed in VMX root operation"},
        {20, "VMCALL with invalid VM-exit control fields"}, {22, "VMCALL with incorrect MSEG revision identifier"},
        {26, "VM entry with events blocked by MOV SS"},     {28, "invalid operand to INVEPT/INVVPID"},
    };
    for (const auto& [number, name] : table_31_1)
        CHECK(instruction_error_name(number) == name);
    for (const u64 number : {u64{14}, u64{21}, u64{27}, u64{29}, ~u64{0}})
        CHECK(instruction_error_name(number) == "unknown");
}
