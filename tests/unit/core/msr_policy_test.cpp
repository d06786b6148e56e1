// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/msr_policy.hpp"

#include <map>
#include <memory>

#include <catch2/catch_test_macros.hpp>

#include "boot/guest/msr_maps.hpp"

using namespace bulkhead;

namespace {

constexpr MsrConditions everything() {
    MsrConditions conditions;
    for (const MsrNeeds needs : {MsrNeeds::IntelCpu, MsrNeeds::AmdCpu, MsrNeeds::X2apic, MsrNeeds::DirectCounts,
                                 MsrNeeds::DirectEoi, MsrNeeds::TscDeadline, MsrNeeds::Rdtscp, MsrNeeds::SpecCtrl,
                                 MsrNeeds::PredCmd, MsrNeeds::FlushCmd, MsrNeeds::ArchCapabilities})
        conditions.set(needs);
    return conditions;
}

struct Exits {
    bool read;
    bool write;
    bool operator==(const Exits&) const = default;
};

/// The maps read back as the hardware does: APM 2 15.11, written down a second time.
Exits svm_exits(const SvmMsrMap& map, u32 number) {
    u32 offset = 0;
    if (number <= 0x1fff)
        offset = 0;
    else if (number >= 0xc000'0000 && number <= 0xc000'1fff)
        offset = 0x800;
    else if (number >= 0xc001'0000 && number <= 0xc001'1fff)
        offset = 0x1000;
    else
        return {true, true};
    const u32 low = number & 0x1fff;
    const u32 pair = map[offset + low / 4] >> (low % 4 * 2);
    return {(pair & 1) != 0, (pair & 2) != 0};
}

/// SDM 3C 25.6.9.
Exits vmx_exits(const VmxMsrBitmap& map, u32 number) {
    u32 offset = 0;
    if (number >= 0xc000'0000 && number <= 0xc000'1fff)
        offset = 1024;
    else if (number > 0x1fff)
        return {true, true};
    const u32 low = number & 0x1fff;
    return {(map[offset + low / 8] >> (low % 8) & 1) != 0, (map[2048 + offset + low / 8] >> (low % 8) & 1) != 0};
}

constexpr Exits none{false, false};
constexpr Exits read_exits{true, false};
constexpr Exits write_exits{false, true};

/// All that does not exit where the CPU has everything, from rules of our own and the manuals' numbers.
std::map<u32, Exits> direct_msrs() {
    std::map<u32, Exits> direct{
        {0x48, none},        {0x49, read_exits},   {0x10b, read_exits}, {0x174, none},        {0x175, none},
        {0x176, none},       {0x277, none},        {0x6e0, none},       {0x808, none},        {0x80a, write_exits},
        {0x80b, read_exits}, {0x832, write_exits}, {0x838, none},       {0x839, write_exits}, {0x83e, none},
        {0x83f, read_exits}, {0xc0000081, none},   {0xc0000082, none},  {0xc0000083, none},   {0xc0000084, none},
        {0xc0000100, none},  {0xc0000101, none},   {0xc0000102, none},  {0xc0000103, none},
    };
    for (u32 number = 0x810; number <= 0x827; ++number)
        direct[number] = write_exits;
    return direct;
}

template <class Map, class Reader>
void check_exactly(const Map& map, Reader exits, const std::map<u32, Exits>& direct) {
    for (const u32 base : {0u, 0xc000'0000u, 0xc001'0000u, 0x4b56'4c00u}) {
        for (u32 number = base; number < base + 0x2000; ++number) {
            const auto expected = direct.find(number);
            const Exits wanted = expected == direct.end() ? Exits{true, true} : expected->second;
            if (!(exits(map, number) == wanted))
                FAIL_CHECK("MSR " << std::hex << number << ": wrong bits");
        }
    }
}

} // namespace

TEST_CASE("MSR policy: what goes direct under SVM and VMX, and nothing else") {
    const auto svm = std::make_unique<SvmMsrMap>();
    const auto vmx = std::make_unique<VmxMsrBitmap>();
    encode_svm_msr_map(*svm, everything());
    encode_vmx_msr_bitmap(*vmx, everything());
    check_exactly(*svm, svm_exits, direct_msrs());
    check_exactly(*vmx, vmx_exits, direct_msrs());
    for (std::size_t i = 0x1800; i < svm->size(); ++i)
        REQUIRE((*svm)[i] == 0xff); // reserved
}

TEST_CASE("MSR policy: the maps of a TSC with an offset, of counts and EOIs that exit, and of no x2APIC") {
    const auto map = std::make_unique<VmxMsrBitmap>();
    for (u32 i = 0; i < msr_maps; ++i) {
        encode_vmx_msr_bitmap(*map, conditions_of_map(i, everything()));
        auto direct = direct_msrs();
        if (i % 2 == 1)
            direct.erase(0x6e0);
        if (i >= 2) {
            direct.erase(0x838);
            direct.erase(0x83e);
        }
        if (i >= 4)
            direct.erase(0x80b);
        if (i >= 6)
            std::erase_if(direct, [](const auto& entry) { return entry.first >= 0x800 && entry.first <= 0x8ff; });
        check_exactly(*map, vmx_exits, direct);
    }
}

TEST_CASE("MSR policy: without x2APIC all of its MSRs exit") {
    MsrConditions conditions;
    const auto svm = std::make_unique<SvmMsrMap>();
    encode_svm_msr_map(*svm, conditions);
    auto direct = direct_msrs();
    std::erase_if(direct, [](const auto& entry) { return entry.first >= 0x800 && entry.first <= 0x8ff; });
    for (const u32 conditional : {0x48u, 0x49u, 0x10bu, 0x6e0u, 0xc0000103u})
        direct.erase(conditional);
    check_exactly(*svm, svm_exits, direct);
}

TEST_CASE("MSR policy: each condition opens its own MSRs only") {
    const std::map<MsrNeeds, u32> opens{{MsrNeeds::TscDeadline, 0x6e0},
                                        {MsrNeeds::Rdtscp, 0xc0000103},
                                        {MsrNeeds::SpecCtrl, 0x48},
                                        {MsrNeeds::PredCmd, 0x49},
                                        {MsrNeeds::FlushCmd, 0x10b}};
    for (const auto& [needs, number] : opens) {
        const auto map = std::make_unique<SvmMsrMap>();
        encode_svm_msr_map(*map, MsrConditions().set(needs));
        for (const auto& other : opens)
            CHECK(svm_exits(*map, other.second).write == (other.second != number));
    }
}

TEST_CASE("MSR policy: rows are found by number") {
    for (const MsrRow& row : msr_policy) {
        CHECK(find_msr_row(row.first) == &row);
        CHECK(find_msr_row(row.last) == &row);
    }
    for (const u32 unknown : {2u, 0xfu, 0x11u, 0x200u, 0x251u, 0x828u, 0x4b564d02u, 0xc0000085u, 0xc001102fu, ~0u})
        CHECK(find_msr_row(unknown) == nullptr);
    CHECK(find_msr_row(0x820)->read == MsrRead::Direct);
}

// The encoders also run at compile time.
static_assert([] {
    SvmMsrMap map{};
    encode_svm_msr_map(map, everything());
    return map[0x800 + 0x100 / 4] == 0x00 && map[0x10 / 4] == 0xff;
}());
