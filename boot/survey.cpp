// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/survey.hpp"

#include "boot/configuration_name.hpp"
#include "boot/files.hpp"
#include "survey/proposal.hpp"
#include "survey/write_inventory.hpp"

namespace bulkhead::boot {

namespace {

constexpr std::string_view inventory_file = "inventory.toml";
constexpr std::string_view second_proposal_file = "bulkhead.proposal.toml";

/// Memory of the firmware's that is used up to the end of this program. Empty: there is none.
std::span<char> room_for_text(const Firmware& firmware, u64 size) {
    void* memory = nullptr;
    if (failed(firmware.boot->AllocatePool(EfiLoaderData, size, &memory)))
        return {};
    return {static_cast<char*>(memory), size};
}

void say(const Firmware& firmware, std::string_view what, std::string_view file, std::string_view more) {
    Line<200> line;
    line << what << "\\bulkhead\\" << file << more;
    firmware.console.say(line.view());
}

/// True if it was written; else why not was said.
bool write(const Firmware& firmware, Volume& volume, std::string_view file, std::string_view text,
           std::string_view more) {
    const auto done = volume.write(file, {reinterpret_cast<const u8*>(text.data()), text.size()});
    if (done) {
        say(firmware, "written: ", file, more);
        return true;
    }
    Line<120> why;
    why << ": " << done.error().what;
    if (done.error().value != 0)
        why << ", " << Hex{done.error().value};
    say(firmware, "not written: ", file, why.view());
    return false;
}

/// A configuration is never replaced. Where the firmware does not say whether there is one, there may be.
void write_files(const Firmware& firmware, const survey::Inventory& inventory) {
    Volume volume(firmware);
    if (const auto open = volume.open_or_create(); !open) {
        Line<160> line;
        line << "nothing is written: " << open.error().what;
        return firmware.console.say(line.view());
    }
    const auto room = room_for_text(firmware, survey::inventory_text_size);
    if (room.empty())
        return firmware.console.say("nothing is written: the firmware has no memory for the text");
    const bool is_first = !volume.exists(common_configuration).value_or(true);
    const std::string_view proposal_file = is_first ? common_configuration : second_proposal_file;
    bool written = write(firmware, volume, inventory_file, survey::write_inventory(inventory, room), "");
    written &= write(firmware, volume, proposal_file, survey::write_proposal(inventory, room),
                     is_first ? ", a proposal" : ", a proposal: the configuration stays as it is");
    volume.close();
    if (written)
        say(firmware, "next: read ", proposal_file, " on any computer, put the files that it names beside it");
}

} // namespace

void take_inventory(const Firmware& firmware) {
    static survey::Inventory inventory; // too large for the firmware's stack
    static std::array<char, 8 * KiB> room;
    firmware.console.say("taking inventory of this machine; nothing of it is changed");
    survey_machine(firmware, inventory);
    Text summary(room);
    survey::write_summary(summary, inventory);
    firmware.console.print(summary.view());
    write_files(firmware, inventory);
    (void)firmware.console.wait_for_key("press a key to return to the firmware");
}

} // namespace bulkhead::boot
