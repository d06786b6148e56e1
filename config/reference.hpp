// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/text.hpp"

namespace bulkhead {

/// Writes the reference of every key, in Markdown, from the tables of config/schema.hpp.
void write_reference(Text& out);

} // namespace bulkhead
