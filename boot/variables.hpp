// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The UEFI variables of boot/last_configuration.hpp.
#pragma once

#include <array>

#include "boot/boot_info.hpp"
#include "boot/firmware.hpp"
#include "boot/last_configuration.hpp"

namespace bulkhead::boot {

class Variables {
public:
    explicit Variables(const Firmware& firmware) : firmware_(firmware) {}

    [[nodiscard]] bool read_record(BootRecord& record);
    [[nodiscard]] bool write_record(const BootRecord& record);
    /// At most 32 KiB: what firmware keeps in one variable is less.
    [[nodiscard]] std::string_view read_text(u8 slot);
    [[nodiscard]] bool write_text(u8 slot, std::string_view text);
    /// TSC ticks that the firmware spent on all that.
    [[nodiscard]] u64 ticks() const { return ticks_; }

    /// How the record is written after boot services: by a call with these.
    struct Call {
        CHAR16 name[16];
        EFI_GUID vendor;
        BootRecord record;
    };
    [[nodiscard]] static Call call(const BootRecord& record);
    /// `call`: in memory that stays.
    [[nodiscard]] static FirmwareVariable variable_of(const Call& call);

private:
    const Firmware& firmware_;
    u64 ticks_ = 0;
    std::array<char, 32 * KiB> text_{};
};

} // namespace bulkhead::boot
