// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/static_vector.hpp"
#include "mm/address.hpp"
#include "survey/fixed_text.hpp"

namespace bulkhead::boot {

/// The one of every machine that has none of its own.
inline constexpr std::string_view common_configuration = "bulkhead.toml";

/// What the configuration of a machine may be called, the most special first: uuid-UUID.toml and serial-NUMBER.toml,
/// where its SMBIOS has them, and common_configuration. So one volume, or one server, has those of many machines.
class ConfigurationNames {
public:
    /// `smbios`: the entry point, or 0. Of a serial number only letters, digits, '.', '-' and '_' are used, each other
    /// character is a '_'.
    explicit ConfigurationNames(HostPhysical smbios);
    [[nodiscard]] const auto& all() const { return names_; }

private:
    void add(std::string_view before, std::string_view what);

    StaticVector<survey::FixedText<120>, 3> names_;
};

} // namespace bulkhead::boot
