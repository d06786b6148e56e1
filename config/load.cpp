// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/load.hpp"
