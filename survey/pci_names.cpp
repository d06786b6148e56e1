// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Names out of the PCI code and ID assignment specification 1.11.
#include "survey/pci.hpp"

namespace bulkhead::survey {

namespace {

template <class Id> struct Name {
    Id id;
    std::string_view name;
};

constexpr Name<u8> capability_names[] = {
    {0x01, "pm"},     {0x02, "agp"},        {0x03, "vpd"},      {0x04, "slot-id"},
    {0x05, "msi"},    {0x06, "hot-swap"},   {0x07, "pcix"},     {0x08, "hypertransport"},
    {0x09, "vendor"}, {0x0a, "debug-port"}, {0x0c, "hot-plug"}, {0x0d, "subsystem"},
    {0x0f, "secure"}, {0x10, "pcie"},       {0x11, "msi-x"},    {0x12, "sata"},
    {0x13, "af"},     {0x14, "ea"},
};

constexpr Name<u16> extended_names[] = {
    {0x0001, "aer"},
    {0x0002, "vc"},
    {0x0003, "serial"},
    {0x0004, "power"},
    {0x0007, "rc-event"},
    {0x000b, "vendor"},
    {0x000d, "acs"},
    {0x000e, "ari"},
    {0x000f, "ats"},
    {0x0010, "sr-iov"},
    {0x0012, "multicast"},
    {0x0013, "pri"},
    {0x0015, "resizable-bar"},
    {0x0016, "dpa"},
    {0x0017, "tph"},
    {0x0018, "ltr"},
    {0x0019, "secondary-pcie"},
    {0x001b, "pasid"},
    {0x001d, "dpc"},
    {0x001e, "l1-pm"},
    {0x001f, "ptm"},
    {0x0023, "dvsec"},
    {0x0025, "data-link"},
    {0x0026, "16gt"},
    {0x0027, "margining"},
    {0x002a, "32gt"},
};

// Class and subclass; 0xff: any that is not named before it.
constexpr Name<u16> class_names[] = {
    {0x0000, "device of before classes"},
    {0x0001, "VGA of before classes"},
    {0x0101, "IDE controller"},
    {0x0104, "RAID controller"},
    {0x0106, "SATA controller"},
    {0x0107, "SAS controller"},
    {0x0108, "NVMe controller"},
    {0x0100, "SCSI controller"},
    {0x01ff, "storage controller"},
    {0x0200, "Ethernet controller"},
    {0x0280, "network controller"},
    {0x02ff, "network controller"},
    {0x0300, "VGA controller"},
    {0x0302, "3D controller"},
    {0x03ff, "display controller"},
    {0x0403, "audio device"},
    {0x04ff, "multimedia device"},
    {0x05ff, "memory controller"},
    {0x0600, "host bridge"},
    {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},
    {0x06ff, "bridge"},
    {0x0700, "serial port"},
    {0x07ff, "communication controller"},
    {0x0806, "IOMMU"},
    {0x0805, "SD controller"},
    {0x08ff, "system device"},
    {0x09ff, "input device"},
    {0x0aff, "docking station"},
    {0x0bff, "processor"},
    {0x0c03, "USB controller"},
    {0x0c05, "SMBus controller"},
    {0x0cff, "serial bus controller"},
    {0x0dff, "wireless controller"},
    {0x0eff, "intelligent controller"},
    {0x0fff, "satellite controller"},
    {0x10ff, "encryption controller"},
    {0x11ff, "signal processing controller"},
    {0x12ff, "accelerator"},
    {0x13ff, "instrumentation"},
};

template <class Id, std::size_t Count> void write(Text& out, const Name<Id> (&names)[Count], Id id) {
    for (const Name<Id>& name : names)
        if (name.id == id) {
            out << name.name;
            return;
        }
    out << Hex{id};
}

} // namespace

void write_capability(Text& out, u8 id) { write(out, capability_names, id); }
void write_extended_capability(Text& out, u16 id) { write(out, extended_names, id); }

std::string_view class_name(u32 class_code) {
    const u32 code = class_code >> 8;
    for (const Name<u16>& name : class_names)
        if (name.id == code || ((name.id & 0xff) == 0xff && name.id >> 8 == code >> 8))
            return name.name;
    return {};
}

std::string_view pcie_type_name(u8 type) {
    constexpr std::string_view names[] = {"endpoint",
                                          "legacy endpoint",
                                          "",
                                          "",
                                          "root port",
                                          "upstream port",
                                          "downstream port",
                                          "PCIe to PCI bridge",
                                          "PCI to PCIe bridge",
                                          "integrated endpoint",
                                          "event collector"};
    return type < std::size(names) ? names[type] : std::string_view();
}

Text& operator<<(Text& out, Shown shown) {
    const auto digits = [&](u32 value, unsigned count) {
        while (count-- > 0)
            out << "0123456789abcdef"[value >> (4 * count) & 0xf];
    };
    digits(shown.at.segment, 4);
    out << ':';
    digits(shown.at.bus, 2);
    out << ':';
    digits(shown.at.device, 2);
    return out << '.' << u32{shown.at.function};
}

} // namespace bulkhead::survey
