// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Isolation groups, from PCIe 6.0 6.12 (ACS) and from where bridges are. What is compared with what firmware allows: a
// bridge that has the ACS capability is taken to isolate once its ACS control bits are set, which is for whoever gives
// devices away to do.
#include <algorithm>
#include <tuple>

#include "survey/pci.hpp"

namespace bulkhead::survey {

namespace {

// PCIe 6.0 7.5.3.2: Device/Port Type.
enum Type : u8 {
    Endpoint = 0,
    LegacyEndpoint = 1,
    RootPort = 4,
    UpstreamPort = 5,
    DownstreamPort = 6,
    PcieToPci = 7,
    PciToPcie = 8,
    IntegratedEndpoint = 9,
    EventCollector = 10,
};

constexpr u32 none = ~0u;

auto order(const PciAddress& at) { return std::tuple(at.segment, at.bus, at.device, at.function); }

class Groups {
public:
    explicit Groups(std::span<PciFunction> all) : all_(all) {
        for (u32 i = 0; i < all_.size(); ++i)
            all_[i].group = i;
    }

    void join_all() {
        for (u32 i = 0; i < all_.size(); ++i) {
            const u32 bridge = bridge_above(i);
            if (bridge != none && !path_isolates(bridge))
                join(i, bridge);
            if (isolates(all_[i]))
                continue;
            for (u32 other = 0; other < i; ++other)
                if (same_slot(all_[i].at, all_[other].at) && !isolates(all_[other]))
                    join(i, other);
        }
    }

    /// In the order in which their first functions come; returns how many.
    u32 number() {
        u32 next = 0;
        std::array<u32, decltype(Inventory::pci)::capacity()> numbers{};
        for (u32 i = 0; i < all_.size(); ++i)
            numbers[i] = root(i) == i ? next++ : numbers[root(i)];
        for (u32 i = 0; i < all_.size(); ++i)
            all_[i].group = numbers[i];
        return next;
    }

    /// Which of the functions of a bus are the only one's slot there.
    void find_bus_resets() {
        for (u32 i = 0; i < all_.size(); ++i) {
            if (bridge_above(i) == none)
                continue;
            const auto neighbour = [&](const PciFunction& other) {
                return other.at.segment == all_[i].at.segment && other.at.bus == all_[i].at.bus &&
                       other.at != all_[i].at;
            };
            const bool shared = std::ranges::any_of(all_, neighbour);
            all_[i].resets.bus = !shared;
            all_[i].resets.bus_shared = shared;
        }
    }

private:
    /// The bridge whose secondary bus the function is on; not one that names its own bus, or one before it.
    [[nodiscard]] u32 bridge_above(u32 index) const {
        const PciAddress& at = all_[index].at;
        for (u32 i = 0; i < all_.size(); ++i)
            if (all_[i].at.segment == at.segment && all_[i].header == 1 && all_[i].secondary_bus == at.bus &&
                all_[i].secondary_bus > all_[i].at.bus)
                return i;
        return none;
    }

    [[nodiscard]] static bool same_slot(const PciAddress& a, const PciAddress& b) {
        return a.segment == b.segment && a.bus == b.bus && a.device == b.device;
    }

    /// Whether what comes out of it cannot reach its neighbours without being seen above (PCIe 6.0 6.12.1).
    [[nodiscard]] bool isolates(const PciFunction& function) const {
        switch (function.pcie_type) {
        case RootPort:
        case DownstreamPort:
            return function.has_acs;
        case Endpoint:
        case LegacyEndpoint:
        case UpstreamPort:
        case IntegratedEndpoint:
            return function.has_acs || !is_multi_function(function);
        default: // conventional PCI, bridges to and from it, event collectors
            return false;
        }
    }

    [[nodiscard]] bool is_multi_function(const PciFunction& function) const {
        return function.multi_function || function.at.function != 0;
    }

    /// From this bridge up to the root.
    [[nodiscard]] bool path_isolates(u32 bridge) const {
        while (bridge != none) {
            if (!isolates(all_[bridge]))
                return false;
            bridge = bridge_above(bridge);
        }
        return true;
    }

    [[nodiscard]] u32 root(u32 index) const {
        while (all_[index].group != index)
            index = all_[index].group;
        return index;
    }
    /// The root of a group is its first function.
    void join(u32 a, u32 b) {
        const u32 one = root(a), other = root(b);
        all_[std::max(one, other)].group = std::min(one, other);
    }

    std::span<PciFunction> all_;
};

} // namespace

void survey_groups(Inventory& inventory) {
    std::ranges::sort(inventory.pci, {}, [](const PciFunction& function) { return order(function.at); });
    // A bus that a function is on, or a segment, was found twice where firmware lists it twice.
    const auto same = [](const PciFunction& a, const PciFunction& b) { return a.at == b.at; };
    const auto twice = std::ranges::unique(inventory.pci, same);
    for (std::size_t i = 0; i < twice.size(); ++i)
        inventory.pci.pop_back();
    Groups groups(inventory.pci.span());
    groups.join_all();
    inventory.groups = groups.number();
    groups.find_bus_resets();
}

} // namespace bulkhead::survey
