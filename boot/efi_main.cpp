// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where the firmware starts the product.
#include "arch/x86_64/instructions.hpp"
#include "boot/loader.hpp"
#include "boot/survey.hpp"
#include "version.hpp"

namespace bulkhead::boot {

namespace {

void greet(const Firmware& firmware) {
    firmware.boot->SetWatchdogTimer(0, 0, 0, nullptr); // it would reset the machine after five minutes
    Line<40> line;
    line << "Bulkhead " << version;
    firmware.console.say(line.view());
}

/// Says why, and gives the person time to read it before the firmware goes on.
EFI_STATUS give_up(const Firmware& firmware, Loader& loader, const Error& error) {
    Line<240> line;
    line << (loader.wants_inventory() ? "no guests: " : "not started: ");
    const bool is_faulty = loader.configuration_is_faulty() && !loader.wants_inventory();
    if (is_faulty)
        line << error.value << (error.value == 1 ? " error in " : " errors in ")
             << (loader.is_fallback() ? "" : "\\bulkhead\\") << loader.configuration_name();
    else
        line << error.what;
    if (!is_faulty && error.value != 0)
        line << ' ' << Hex{error.value};
    firmware.console.say(line.view());
    if (loader.wants_inventory()) {
        take_inventory(firmware);
        return EFI_SUCCESS;
    }
    // Nobody may be there, and the next boot has something better.
    if (loader.can_fall_back() &&
        !firmware.console.is_key_pressed_within(60, "the machine starts again in 60 seconds, unless a key is pressed"))
        firmware.table->RuntimeServices->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, nullptr);
    if ((firmware.console.wait_for_key(
             "press a key to return to the firmware, or s to take inventory of this machine") |
         0x20) == 's')
        take_inventory(firmware);
    return EFI_LOAD_ERROR;
}

} // namespace

} // namespace bulkhead::boot

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* table) {
    using namespace bulkhead::boot;
    const auto start = bulkhead::arch::read_tsc();
    static const Firmware firmware(image, table);
    static Loader loader(firmware);
    greet(firmware);
    const auto greeted = bulkhead::arch::read_tsc();
    if (firmware.console.was_pressed('s')) {
        take_inventory(firmware);
        return EFI_SUCCESS;
    }
    if (const auto loaded = loader.load(start, bulkhead::arch::read_tsc() - greeted); !loaded)
        return give_up(firmware, loader, loaded.error());
    loader.leave();
}
