// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/exceptions.hpp"

#include <array>

namespace bulkhead {

std::string_view exception_name(u64 vector) {
    // SDM 3A table 6-1, APM 2 table 8-1.
    static constexpr std::array<std::string_view, 32> names{
        "#DE",  "#DB",  "NMI",  "#BP",  "#OF",  "#BR",  "#UD", "#NM", "#DF", "(9)", "#TS",
        "#NP",  "#SS",  "#GP",  "#PF",  "(15)", "#MF",  "#AC", "#MC", "#XF", "#VE", "#CP",
        "(22)", "(23)", "(24)", "(25)", "(26)", "(27)", "#HV", "#VC", "#SX", "(31)"};
    return vector < names.size() ? names[vector] : "interrupt";
}

} // namespace bulkhead
