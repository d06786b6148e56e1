// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "config/diagnostics.hpp"
#include "config/model.hpp"

namespace bulkhead {

/// What is wrong between values that are right alone: a name or a CPU given twice, a speed that a 16550 does not have.
/// Reports the later one of two, and names the line of the first.
void validate(const Configuration& configuration, Diagnostics& diagnostics);

/// The part of it that is about claims to cores, memory and files: config/validate_claims.cpp.
void validate_claims(const Configuration& configuration, Diagnostics& diagnostics);

} // namespace bulkhead
