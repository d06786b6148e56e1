// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// PCI functions: what their configuration space says, how they can be reset, and which of them cannot be told apart.
#pragma once

#include <concepts>

#include "boot/pci.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::survey {

/// How the configuration space of a segment is read: offsets are multiples of 4, what is not there reads as all ones.
/// `readable`: how many bytes of it can be read: 64, 256 or 4096. `bar_size`: of the BAR of this index that holds this
/// address, 0 where that is not known.
template <class T>
concept PciSpace = requires(const T& space, boot::pci::Function function, u16 offset) {
    { space.read(function, offset) } -> std::same_as<u32>;
    { space.readable(function) } -> std::same_as<u32>;
    { space.bar_size(function, u32{}, u64{}) } -> std::same_as<u64>;
};

/// The same without a template's type: a function's registers.
class PciRegisters {
public:
    template <PciSpace Space>
    PciRegisters(const Space& space, boot::pci::Function function)
        : space_(&space), function_(function), readable_(space.readable(function)),
          read_([](const void* from, boot::pci::Function which, u16 offset) {
              return static_cast<const Space*>(from)->read(which, offset);
          }),
          bar_size_([](const void* from, boot::pci::Function which, u32 index, u64 address) {
              return static_cast<const Space*>(from)->bar_size(which, index, address);
          }) {}

    [[nodiscard]] u32 readable() const { return readable_; }
    /// Of what cannot be read: all ones. `offset` and the width must not cross a multiple of 4.
    [[nodiscard]] u32 read32(u32 offset) const {
        return offset + 4 > readable_ ? ~0u : read_(space_, function_, static_cast<u16>(offset & ~3u));
    }
    [[nodiscard]] u16 read16(u32 offset) const { return static_cast<u16>(read32(offset & ~3u) >> (8 * (offset & 3))); }
    [[nodiscard]] u8 read8(u32 offset) const { return static_cast<u8>(read32(offset & ~3u) >> (8 * (offset & 3))); }
    [[nodiscard]] u64 bar_size(u32 index, u64 address) const { return bar_size_(space_, function_, index, address); }

private:
    const void* space_;
    boot::pci::Function function_;
    u32 readable_;
    u32 (*read_)(const void*, boot::pci::Function, u16);
    u64 (*bar_size_)(const void*, boot::pci::Function, u32, u64);
};

/// Adds a function that is there, and its serial port where it is one.
void survey_function(Inventory& inventory, PciAddress at, const PciRegisters& registers);

/// When all functions are in the list: sorts it, and fills in what depends on a function's neighbours: whether a
/// bridge's reset is its alone, and its isolation group. Two functions are in one group where one could reach the other
/// without an IOMMU seeing it, or where an IOMMU cannot tell them apart: the rules are those that Linux uses, too.
void survey_groups(Inventory& inventory);

/// "flr", or "0x2d" for a capability without a name here.
void write_capability(Text& out, u8 id);
void write_extended_capability(Text& out, u16 id);
/// A few words for class and subclass: "Ethernet controller". "": not known.
[[nodiscard]] std::string_view class_name(u32 class_code);
[[nodiscard]] std::string_view pcie_type_name(u8 type);

/// "0000:00:1f.2"
struct Shown {
    PciAddress at;
};
Text& operator<<(Text& out, Shown shown);

} // namespace bulkhead::survey
