// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// What may be done with a page.
struct Rights {
    bool read = false;
    bool write = false;
    bool execute = false;
    friend constexpr bool operator==(const Rights&, const Rights&) = default;
};

inline constexpr Rights read_only{.read = true};
inline constexpr Rights read_write{.read = true, .write = true};
inline constexpr Rights read_execute{.read = true, .execute = true};
inline constexpr Rights all_rights{.read = true, .write = true, .execute = true};

enum class MemoryKind : u8 { WriteBack, Uncached, WriteCombining };

/// Everything that a page's mapping says beside its address.
struct Attributes {
    Rights rights;
    MemoryKind kind = MemoryKind::WriteBack;
    friend constexpr bool operator==(const Attributes&, const Attributes&) = default;
};

} // namespace bulkhead
