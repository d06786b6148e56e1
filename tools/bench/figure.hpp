// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tools {

/// What something costs: instructions, or what `what` says.
struct Figure {
    std::string name; ///< by which it is found again in another run: letters, digits, '-'
    std::string what; ///< as the table says it
    long long value = 0;
    long long budget = 0; ///< the most it may be on this machine; 0: none was set, unless
    bool must_be_zero = false;

    [[nodiscard]] bool has_budget() const { return budget != 0 || must_be_zero; }
    [[nodiscard]] bool is_over() const { return has_budget() && value > budget; }
};

/// Null where there is none.
[[nodiscard]] const Figure* find_figure(const std::vector<Figure>& figures, std::string_view name);

/// Counted with `-icount` on QEMU 7.2's EPYC, where ours is on QEMU 10's largest AMD CPU: what is added to running
/// bare, median. "KVM" is 6.1, Xen 4.17, Jailhouse's its root cell, which is trusted with its ports.
struct PeerFigures {
    std::string_view name; ///< Figure::name
    /// Nothing where it was not measured, or makes no sense.
    std::optional<double> jailhouse, kvm, xen_pvh, xen_hvm;
};

/// In the order of the table.
[[nodiscard]] const std::vector<PeerFigures>& peers();

} // namespace bulkhead::tools
