// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The configuration that an inventory's machine is proposed, and what the loader would make of it there.
#pragma once

#include "survey/proposal.hpp"
#include "unit/config/loaded.hpp"
#include "unit/survey/written.hpp"

namespace bulkhead::test {

struct Proposed {
    explicit Proposed(const survey::Inventory& inventory) {
        std::vector<char> room(survey::proposal_text_size);
        text = survey::write_proposal(inventory, room);
        FakeMachine machine{.cpus = {inventory.cpus.begin(), inventory.cpus.end()},
                            .memory = {},
                            .nodes = {inventory.nodes.begin(), inventory.nodes.end()}};
        for (const auto& piece : inventory.memory)
            if (piece.kind == survey::MemoryKind::Free)
                machine.memory.push_back(piece.range);
        FakeFiles files;
        files.sizes = {{"vmlinuz", MiB}, {"initrd", MiB}};
        const Loaded loaded(text, machine, files);
        faults = loaded.faults();
        for (const auto& guest : loaded.loaded.configuration.guests)
            guest_cpus.push_back(guest.cpus.count);
    }

    std::string text;
    std::string faults; ///< "": it fits
    std::vector<u64> guest_cpus;
};

} // namespace bulkhead::test
