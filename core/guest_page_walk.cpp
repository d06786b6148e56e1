// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/guest_page_walk.hpp"

#include "arch/x86_64/control_bits.hpp"

namespace bulkhead {

namespace {

// Page-table entry bits (SDM 3A 4.3 to 4.5).
constexpr u64 entry_p = 1 << 0;
constexpr u64 entry_rw = 1 << 1;
constexpr u64 entry_us = 1 << 2;
constexpr u64 entry_ps = 1 << 7;
constexpr u64 entry_nx = u64{1} << 63;
constexpr u64 entry_frame = 0xf'ffff'ffff'f000;

// Page-fault error code (SDM 3A 4.7).
constexpr u32 fault_p = 1 << 0;
constexpr u32 fault_w = 1 << 1;
constexpr u32 fault_u = 1 << 2;
constexpr u32 fault_rsvd = 1 << 3;
constexpr u32 fault_id = 1 << 4;

/// The shape of the tables in one paging mode.
struct Format {
    unsigned levels;
    unsigned entry_size;
    unsigned index_bits;
    unsigned largest_page_level; // the highest level whose entry can be a page, counted from 1
    u64 root_frame;              // the bits of CR3 that are the root's address
    unsigned linear_bits;
};

constexpr Format format_of(PagingMode mode) {
    switch (mode) {
    case PagingMode::none:
        break;
    case PagingMode::two_level:
        return {2, 4, 10, 2, 0xffff'f000, 32};
    case PagingMode::pae:
        return {3, 8, 9, 2, 0xffff'ffe0, 32};
    case PagingMode::four_level:
        return {4, 8, 9, 3, entry_frame, 48};
    case PagingMode::five_level:
        return {5, 8, 9, 3, entry_frame, 57};
    }
    return {0, 0, 0, 0, 0, 32};
}

class Walk {
public:
    Walk(const GuestMemory& memory, const PagingState& paging, u64 linear, Access access)
        : memory_(memory), paging_(paging), mode_(paging_mode(paging)), format_(format_of(mode_)),
          linear_(format_.linear_bits == 32 ? linear & 0xffff'ffff : linear), access_(access) {}

    std::expected<Translation, GuestFault> run() {
        if (mode_ == PagingMode::none)
            return page(linear_ & ~u64{0xfff}, 12);
        const unsigned unused = 64 - format_.linear_bits;
        if (mode_ >= PagingMode::four_level &&
            static_cast<u64>(static_cast<i64>(linear_ << unused) >> unused) != linear_)
            return std::unexpected(GuestFault{GuestFault::Kind::general_protection});

        u64 table = paging_.cr3 & format_.root_frame;
        for (unsigned level = format_.levels; level > 0; --level) {
            const unsigned shift = 12 + (level - 1) * format_.index_bits;
            const u64 index = linear_ >> shift & ((1U << format_.index_bits) - 1);
            const std::optional<u64> entry = read_entry({table + index * format_.entry_size});
            if (!entry)
                return std::unexpected(GuestFault{GuestFault::Kind::not_ram, 0, table});
            if ((*entry & entry_p) == 0)
                return fault(0);
            const bool is_page = level == 1 || is_large(*entry, level);
            if ((*entry & reserved_bits(level, is_page, shift)) != 0)
                return fault(fault_p | fault_rsvd);
            collect_permissions(*entry, level);
            if (is_page && !is_allowed())
                return fault(fault_p);
            if (is_page)
                return page(frame_of(*entry, level, shift), shift);
            table = *entry & entry_frame;
        }
        return fault(0);
    }

private:
    [[nodiscard]] std::optional<u64> read_entry(GuestPhysical address) const {
        if (format_.entry_size == 8)
            return memory_.read<u64>(address);
        const std::optional<u32> entry = memory_.read<u32>(address);
        return entry ? std::optional<u64>(*entry) : std::nullopt;
    }

    [[nodiscard]] bool is_large(u64 entry, unsigned level) const {
        if (level > format_.largest_page_level || (entry & entry_ps) == 0)
            return false;
        return mode_ != PagingMode::two_level || (paging_.cr4 & cr4::PSE) != 0;
    }

    [[nodiscard]] u64 reserved_bits(unsigned level, bool is_page, unsigned shift) const {
        if (mode_ == PagingMode::two_level) // PSE-36 keeps address bits 39 to 32 in bits 20 to 13 (SDM 3A table 4-4)
            return is_page && level == 2 ? 1 << 21 : 0;
        u64 reserved = (paging_.efer & efer::NXE) == 0 ? entry_nx : 0;
        if (mode_ == PagingMode::pae)
            // SDM 3A tables 4-8 to 4-11. Bit 5 of a PDPTE is reserved too, but QEMU's CPU sets it: as "accessed".
            reserved |= level == 3 ? 0xfff0'0000'0000'01c6 : 0x7ff0'0000'0000'0000;
        else if (level > format_.largest_page_level)
            reserved |= entry_ps;
        if (is_page && level > 1) // address bits below the page's size; bit 12 is PAT
            reserved |= ((u64{1} << shift) - 1) & ~u64{0x1fff};
        return reserved;
    }

    void collect_permissions(u64 entry, unsigned level) {
        if (mode_ == PagingMode::pae && level == 3) // PDPTEs have none
            return;
        permissions_ &= entry;
        no_execute_ = no_execute_ || (mode_ != PagingMode::two_level && (entry & entry_nx) != 0);
    }

    /// SDM 3A 4.6.1
    [[nodiscard]] bool is_allowed() const {
        const bool user_page = (permissions_ & entry_us) != 0;
        const bool writable = (permissions_ & entry_rw) != 0;
        const bool user = paging_.cpl == 3;
        if (user && !user_page)
            return false;
        if (access_.fetch)
            return !no_execute_ && (user || !user_page || (paging_.cr4 & cr4::SMEP) == 0);
        if (!user && user_page && (paging_.cr4 & cr4::SMAP) != 0 && (paging_.rflags & rflags::AC) == 0)
            return false;
        return !access_.write || writable || (!user && (paging_.cr0 & cr0::WP) == 0);
    }

    [[nodiscard]] u64 frame_of(u64 entry, unsigned level, unsigned shift) const {
        const u64 frame = entry & entry_frame & ~((u64{1} << shift) - 1);
        if (mode_ == PagingMode::two_level && level == 2)
            return frame | (entry >> 13 & 0xff) << 32;
        return frame;
    }

    [[nodiscard]] Translation page(u64 frame, unsigned shift) const {
        const u64 size = u64{1} << shift;
        const u64 offset = linear_ & (size - 1);
        return {{frame | offset}, size - offset};
    }

    [[nodiscard]] std::unexpected<GuestFault> fault(u32 error_code) const {
        const bool reports_fetch =
            (paging_.cr4 & cr4::SMEP) != 0 || (mode_ != PagingMode::two_level && (paging_.efer & efer::NXE) != 0);
        error_code |= access_.write ? fault_w : 0;
        error_code |= paging_.cpl == 3 ? fault_u : 0;
        error_code |= access_.fetch && reports_fetch ? fault_id : 0;
        return std::unexpected(GuestFault{GuestFault::Kind::page_fault, error_code, linear_});
    }

    const GuestMemory& memory_;
    const PagingState& paging_;
    PagingMode mode_;
    Format format_;
    u64 linear_;
    Access access_;
    u64 permissions_ = entry_us | entry_rw;
    bool no_execute_ = false;
};

} // namespace

PagingMode paging_mode(const PagingState& paging) {
    if ((paging.cr0 & cr0::PG) == 0)
        return PagingMode::none;
    if ((paging.efer & efer::LMA) != 0)
        return (paging.cr4 & cr4::LA57) != 0 ? PagingMode::five_level : PagingMode::four_level;
    return (paging.cr4 & cr4::PAE) != 0 ? PagingMode::pae : PagingMode::two_level;
}

std::expected<Translation, GuestFault> translate(const GuestMemory& memory, const PagingState& paging, u64 linear,
                                                 Access access) {
    return Walk(memory, paging, linear, access).run();
}

} // namespace bulkhead
