// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The firmware as the loader sees it: GNU-EFI's declarations of UEFI 2.10, called directly (the loader is compiled for
// the calling convention of UEFI), and its text console.
#pragma once

extern "C" {
#include <efi.h>
}

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"
#include "mm/address.hpp"

namespace bulkhead::boot {

/// Text on the firmware's console: the screen, and the serial port where the firmware mirrors it there.
class Console {
public:
    explicit Console(EFI_SYSTEM_TABLE* table) : table_(table) {}

    /// A line that starts with "bulkhead: ".
    void say(std::string_view line) const;
    /// As it is. '\n' starts a new line; what is not ASCII becomes '?'.
    void print(std::string_view text) const;
    /// Everything that was printed so far, from the first on; what is too much is left out.
    [[nodiscard]] static std::string_view log();
    /// Says the question and waits for a key, at most so long. True where nobody can tell.
    [[nodiscard]] bool is_key_pressed_within(u64 seconds, std::string_view question) const;
    /// Says the question and waits for a key: its character, 0 where it has none.
    char wait_for_key(std::string_view question) const; // NOLINT(*-use-nodiscard): most wait for any
    /// Whether a key of this small letter was pressed up to now: takes 50 ms. No other key that was is heard of any
    /// more.
    [[nodiscard]] bool was_pressed(char letter) const;

private:
    void ask(std::string_view question) const;

    EFI_SYSTEM_TABLE* table_;
};

struct Firmware {
    Firmware(EFI_HANDLE image_handle, EFI_SYSTEM_TABLE* system_table)
        : image(image_handle), table(system_table), boot(system_table->BootServices), console(system_table) {}

    EFI_HANDLE image;
    EFI_SYSTEM_TABLE* table;
    EFI_BOOT_SERVICES* boot;
    Console console;
};

/// The firmware's page tables map physical memory one to one (UEFI 2.10 2.3.4): the one way from an address to memory.
template <class T> T* at_physical(HostPhysical address) { return reinterpret_cast<T*>(address.value); }
template <class T> std::span<T> at_physical(HostPhysical address, u64 count) {
    return {reinterpret_cast<T*>(address.value), count};
}
inline HostPhysical physical_of(const void* pointer) { return {reinterpret_cast<u64>(pointer)}; }

inline bool failed(EFI_STATUS status) { return status != EFI_SUCCESS; }

/// The protocol of this GUID on `handle`, or null.
template <class Protocol> Protocol* protocol_on(const Firmware& firmware, EFI_HANDLE handle, EFI_GUID guid) {
    void* found = nullptr;
    if (failed(firmware.boot->HandleProtocol(handle, &guid, &found)))
        return nullptr;
    return static_cast<Protocol*>(found);
}

/// The first instance of a protocol anywhere, or null.
template <class Protocol> Protocol* first_protocol(const Firmware& firmware, EFI_GUID guid) {
    void* found = nullptr;
    if (failed(firmware.boot->LocateProtocol(&guid, nullptr, &found)))
        return nullptr;
    return static_cast<Protocol*>(found);
}

} // namespace bulkhead::boot
