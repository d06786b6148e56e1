// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any contents of the UEFI variables, any texts and any refusals of the firmware: what works is never overwritten, and
// is what a boot falls back to.

#include "boot/last_configuration.hpp"
#include "fakes/firmware_variables.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using boot::BootRecord;
using Variables = test::FirmwareVariables;
using fuzz::require;

/// A boot as the loader does it. Returns whether what worked before was kept.
void boot_once(Variables& variables, std::string_view given, bool succeeds) {
    boot::LastConfiguration last(variables);
    const bool has_good =
        variables.record && variables.record->magic == BootRecord::right_magic && variables.record->good <= 1;
    const std::string good = has_good ? variables.texts.at(variables.record->good) : "";
    const std::string other(last.other_than(given));
    require(other.empty() || (other == good && other != given), "a text that never worked");
    const std::string used = !other.empty() && last.failures_of(given) != 0 ? other : std::string(given);
    const bool kept = last.begin(used);
    const bool is_there = variables.texts[0] == good || variables.texts[1] == good;
    require(!has_good || is_there, "what worked was overwritten");
    if (kept)
        require(variables.texts.at(last.after_success().good) == used, "another text would be the good one");
    if (succeeds && variables.writable)
        variables.record = last.after_success();
    if (succeeds && kept) {
        require(boot::LastConfiguration(variables).failures_of(used) == 0, "a failure that was none");
        require(boot::LastConfiguration(variables).other_than(used).empty(), "a fallback from what works");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    Variables variables;
    const u8 start = reader.take<u8>();
    if ((start & 1) != 0)
        variables.record = reader.take<BootRecord>();
    if (variables.record && (start & 2) != 0)
        variables.record->magic = BootRecord::right_magic;
    for (std::string& text : variables.texts)
        text = text_of(reader.bytes(reader.take<u8>() % 8));
    for (int boots = 0; boots < 300 && !reader.empty(); ++boots) {
        const u8 how = reader.take<u8>();
        variables.writable = (how & 0x30) != 0x30;
        boot_once(variables, text_of(reader.bytes(how & 3)), (how & 4) != 0);
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer empty, kept;
    empty.number(0, 3);
    kept.number(3, 1).bytes(Seed(16)).number(1, 1).number('a', 1).number(1, 1).number('b', 1);
    for (const u8 how : {1, 5, 1, 0x35, 5, 1, 1, 4, 5}) {
        empty.number(how, 1).number('a' + (how & 1), 1);
        kept.number(how, 1).number('b', 1);
    }
    return {empty.seed(), kept.seed()};
}

} // namespace bulkhead
