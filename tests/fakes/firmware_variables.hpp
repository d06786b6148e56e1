// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "boot/last_configuration.hpp"

namespace bulkhead::test {

/// The firmware's variables as boot::LastConfiguration sees them; they may refuse to be written.
struct FirmwareVariables {
    std::optional<boot::BootRecord> record;
    std::array<std::string, 2> texts;
    std::size_t largest = std::numeric_limits<std::size_t>::max(); ///< text that there is room for, bytes
    bool writable = true;

    bool read_record(boot::BootRecord& into) const {
        if (record)
            into = *record;
        return record.has_value();
    }
    bool write_record(const boot::BootRecord& from) {
        if (writable)
            record = from;
        return writable;
    }
    std::string_view read_text(u8 slot) { return texts.at(slot); }
    bool write_text(u8 slot, std::string_view text) {
        if (!writable || text.size() > largest)
            return false;
        texts.at(slot) = text;
        return true;
    }
};

} // namespace bulkhead::test
