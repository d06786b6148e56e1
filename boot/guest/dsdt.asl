// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The guest machine's devices. Numbers are those of devices/platform.hpp.
DefinitionBlock ("", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
    Name (\_S5, Package () { 5, 5, 0, 0 })

    Scope (\_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0x00, 0x08)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
            })
        }

        // Keeps others off the platform's own ports.
        Device (PLAT)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0600, 0x0600, 0x00, 0x10)
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
        }

        // Hardware-reduced ACPI has no fixed events: the power button's comes through this one (ACPI 6.5 5.6.9).
        Device (EVNT)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 5 }
            })
            OperationRegion (BTNR, SystemIO, 0x0603, 0x01)
            Field (BTNR, ByteAcc, NoLock, WriteAsZeros)
            {
                BTNS, 8
            }
            Method (_EVT, 1, Serialized)
            {
                Local0 = BTNS
                BTNS = Local0
                If (Local0 & 1)
                {
                    Notify (\_SB.PWRB, 0x80)
                }
            }
        }
    }
}
