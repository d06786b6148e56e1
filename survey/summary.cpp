// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>

#include "survey/memory.hpp"
#include "survey/pci.hpp"
#include "survey/proposal.hpp"

namespace bulkhead::survey {

namespace {

std::string_view or_unknown(std::string_view text) { return text.empty() ? std::string_view("not known") : text; }

/// A number of things, "1 CPU", "2 CPUs".
struct Count {
    u64 number;
    std::string_view what;
};
Text& operator<<(Text& out, Count count) {
    return out << count.number << ' ' << count.what << (count.number == 1 ? "" : "s");
}

template <class Of> u64 distinct(const Inventory& inventory, Of of) {
    u64 count = 0;
    const auto all = inventory.cpus.span();
    for (std::size_t i = 0; i < all.size(); ++i)
        count +=
            std::ranges::find(all.first(i), all[i].*of, of) == all.begin() + static_cast<std::ptrdiff_t>(i) ? 1 : 0;
    return count;
}

void write_processors(Text& out, const Inventory& inventory) {
    out << "  processor  " << or_unknown(inventory.processor.name.view()) << '\n';
    out << "             " << Count{inventory.cpus.size(), "CPU"} << ", "
        << Count{distinct(inventory, &CpuInfo::core), "core"} << ", "
        << Count{distinct(inventory, &CpuInfo::package), "package"}
        << (inventory.virtualization.has_svm   ? ", AMD-V"
            : inventory.virtualization.has_vmx ? ", VT-x"
                                               : ", neither AMD-V nor VT-x")
        << '\n';
}

/// The first of them.
void write_ports(Text& out, const Inventory& inventory) {
    out << "  serial     ";
    constexpr std::size_t shown = 4;
    for (std::size_t i = 0; i < std::min(inventory.serial.size(), shown); ++i) {
        const SerialPort& port = inventory.serial[i];
        out << (i == 0 ? "" : ", ") << (port.io ? "port " : "memory ") << Hex{port.address};
    }
    out << (inventory.serial.empty() ? "no port\n" : "\n");
}

void write_verdict(Text& out, const Inventory& inventory) {
    constexpr std::string_view verdicts[] = {
        "whether it can run Bulkhead is not known:", "it cannot run Bulkhead:", "it can run Bulkhead\n"};
    out << "  verdict    " << verdicts[static_cast<std::size_t>(inventory.verdict)];
    for (const auto& reason : inventory.reasons)
        out << "\n             " << reason.view();
    out << (inventory.reasons.empty() ? "" : "\n");
    for (const auto& warning : inventory.warnings)
        out << "  note       " << warning.view() << '\n';
}

} // namespace

void write_summary(Text& out, const Inventory& inventory) {
    const Board& board = inventory.board;
    out << "  machine    " << or_unknown(board.system_vendor.view()) << ", " << or_unknown(board.system_product.view())
        << '\n';
    out << "  firmware   " << or_unknown(inventory.firmware.vendor.view()) << ", "
        << or_unknown(board.bios_version.view()) << '\n';
    write_processors(out, inventory);
    out << "  memory     " << free_bytes(inventory) / MiB << " MiB free\n";
    out << "  PCI        " << Count{inventory.pci.size(), "function"} << " in " << Count{inventory.groups, "group"}
        << " that can be told apart\n";
    out << "  IOMMU      " << Count{inventory.iommus.size(), "unit"} << '\n';
    write_ports(out, inventory);
    out << "  ACPI       " << Count{inventory.tables.size(), "table"} << '\n';
    if (const u64 unknown = inventory.unknown.size() + inventory.more_unknown; unknown != 0)
        out << "  unclear    " << Count{unknown, "part"} << ", named in the inventory\n";
    write_verdict(out, inventory);
}

} // namespace bulkhead::survey
