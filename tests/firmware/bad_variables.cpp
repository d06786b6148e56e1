// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A UEFI program whose firmware has a fault: after the end of boot services its SetVariable is where nothing is, as of
// machines whose runtime services need what only boot services have. It starts \bulkhead\product.efi.
#include "firmware/start_beside.hpp"

namespace {

decltype(EFI_RUNTIME_SERVICES::SetVariable) right_one;

/// In this program's own memory, which is the loader's, and not there at run time (UEFI 2.10 7.2, table 7.6).
EFI_STATUS EFIAPI set_variable(CHAR16* name, EFI_GUID* vendor, UINT32 attributes, UINTN size, VOID* data) {
    return right_one(name, vendor, attributes, size, data);
}

} // namespace

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* table) {
    using namespace bulkhead;
    const boot::Firmware firmware(image, table);
    right_one = table->RuntimeServices->SetVariable;
    table->RuntimeServices->SetVariable = set_variable;
    return firmware::start_beside(firmware, u"\\bulkhead\\product.efi");
}
