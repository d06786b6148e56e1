// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Which configuration a boot uses: the one on the stick, or, if the boot before came to nothing with that, the last
// that is known to work. What is known is in UEFI variables: nothing is written to the stick.
#pragma once

#include <concepts>
#include <span>
#include <string_view>

#include "base/hash.hpp"
#include "base/result.hpp"

namespace bulkhead::boot {

/// The variable `BulkheadBoot`. The loader counts each boot in it; the hypervisor writes what after_success() says.
struct BootRecord {
    static constexpr u32 right_magic = 0x31524842; // "BHR1"
    static constexpr u8 none = 0xff;

    u32 magic = right_magic;
    u8 good = none;  ///< which of the two kept configurations works
    u8 failures = 0; ///< boots with `tried`, since one of them worked
    u16 reserved = 0;
    u64 tried = 0; ///< hash of the configuration that the last boot used
};
static_assert(sizeof(BootRecord) == 16);

/// Texts of two configurations, and the record. read_*: false where there is none, or none that is whole.
template <class S>
concept BootVariables = requires(S& store, u8 slot, std::string_view text, BootRecord& record) {
    { store.read_record(record) } -> std::same_as<bool>;
    { store.write_record(record) } -> std::same_as<bool>;
    { store.read_text(slot) } -> std::same_as<std::string_view>; ///< valid until the next read_text(); empty: none
    { store.write_text(slot, text) } -> std::same_as<bool>;
};

inline u64 hash_of(std::string_view text) {
    Hash hash;
    hash.add(text.size());
    hash.add(std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
    return hash.value();
}

template <BootVariables S> class LastConfiguration {
public:
    explicit LastConfiguration(S& store) : store_(store) {
        if (!store.read_record(record_) || record_.magic != BootRecord::right_magic)
            record_ = {};
        if (record_.good > 1)
            record_.good = BootRecord::none;
    }

    /// The last configuration known to work, if it is another than `given`; else empty. Valid until the next call.
    [[nodiscard]] std::string_view other_than(std::string_view given) {
        if (record_.good == BootRecord::none)
            return {};
        const std::string_view text = store_.read_text(record_.good);
        return text == given ? std::string_view() : text;
    }
    /// How many boots in a row have come to nothing with `given`.
    [[nodiscard]] u32 failures_of(std::string_view given) const {
        return record_.tried == hash_of(given) ? record_.failures : 0;
    }

    /// A boot with `text` begins. Keeps it, and counts. False if it cannot be kept, and can never be fallen back to.
    bool begin(std::string_view text) {
        const u64 hash = hash_of(text);
        record_.failures = record_.tried != hash ? u8{1} : static_cast<u8>(record_.failures + (record_.failures < 255));
        record_.tried = hash;
        success_ = record_;
        success_.failures = 0;
        const bool kept = keep(text);
        return store_.write_record(record_) && kept;
    }
    /// What the record is to be when each guest that starts by itself has been entered.
    [[nodiscard]] const BootRecord& after_success() const { return success_; }

private:
    bool keep(std::string_view text) {
        for (const u8 slot : {u8{0}, u8{1}})
            if (store_.read_text(slot) == text) {
                success_.good = slot;
                return true;
            }
        const u8 slot = record_.good == 0 ? 1 : 0; // what works stays
        if (!store_.write_text(slot, text))
            return false;
        success_.good = slot;
        return true;
    }

    S& store_;
    BootRecord record_;
    BootRecord success_;
};

} // namespace bulkhead::boot
