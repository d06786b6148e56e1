// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A UEFI program for the emulated machines of Bochs: OVMF finds no ACPI tables there (it asks QEMU's fw_cfg for
// them), and no driver for the screen. This installs both, and starts the product, which is beside it and knows nothing
// of it. Some boots of the tests use it on QEMU, too, for tables that are wrong (absent_processors.hpp).
#include <algorithm>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/msr_numbers.hpp"
#include "boot/firmware.hpp"
#include "firmware/absent_processors.hpp"
#include "firmware/machine_tables.hpp"
#include "firmware/screen.hpp"
#include "firmware/start_beside.hpp"

namespace bulkhead::firmware {
namespace {

using boot::failed;
using boot::Firmware;

/// PI 1.8 volume 2, 13.4: what is used of EFI_MP_SERVICES_PROTOCOL. GNU-EFI has no declaration of it.
struct ProcessorInformation {
    UINT64 processor_id; ///< the APIC ID
    UINT32 status;
    UINT32 package, core, thread;
    UINT32 extended[6];
};
struct MpServices {
    EFI_STATUS(EFIAPI* get_number)(MpServices*, UINTN* processors, UINTN* enabled);
    EFI_STATUS(EFIAPI* get_information)(MpServices*, UINTN number, ProcessorInformation*);
    void* startup_all_aps;
    EFI_STATUS(EFIAPI* startup_this_ap)
    (MpServices*, void(EFIAPI* procedure)(void*), UINTN number, EFI_EVENT, UINTN microseconds, void* argument,
     BOOLEAN* finished);
};
constexpr EFI_GUID mp_services_guid{0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};

/// Whether cores have a second thread only because Bochs would get the topology wrong without (tools/bochs.cpp): those
/// of packages with one core.
bool hides_second_threads() {
    constexpr u32 topology = 0xb; // SDM 2A CPUID: EBX, how many threads there are in a core, in a package
    return arch::cpuid(0).eax >= topology && arch::cpuid(topology, 0).ebx == 2 && arch::cpuid(topology, 1).ebx == 2;
}

/// SDM 3D 2, IA32_FEATURE_CONTROL: locked, without VMX.
void EFIAPI switch_vtx_off(void*) {
    constexpr u64 lock = 1;
    arch::write_msr(msr::IA32_FEATURE_CONTROL, lock);
}

class Processors {
public:
    explicit Processors(const Firmware& firmware) {
        auto* services = boot::first_protocol<MpServices>(firmware, mp_services_guid);
        UINTN count = 0;
        UINTN enabled = 0;
        if (services == nullptr || failed(services->get_number(services, &count, &enabled)))
            return;
        const u64 hidden = hides_second_threads() ? 1 : 0;
        for (UINTN i = 0; i < count && listed_.count + hidden_.count < max_processors; ++i) {
            ProcessorInformation information{};
            if (!failed(services->get_information(services, i, &information)))
                ((information.processor_id & hidden) == 0 ? listed_ : hidden_).add(information.processor_id);
        }
        constexpr unsigned absent = 2;
        for (unsigned i = 0; i < absent && wants_absent_processors(firmware) && listed_.count < max_processors; ++i)
            listed_.add(listed_.all().back() + 2u);
        if (wants_unfit_processors(firmware))
            make_unfit(*services, count);
    }

    [[nodiscard]] std::span<const u8> listed() const { return listed_.all(); }
    [[nodiscard]] std::span<const u8> hidden() const { return hidden_.all(); }

private:
    struct Ids {
        void add(u64 id) { storage[count++] = static_cast<u8>(id); }
        [[nodiscard]] std::span<const u8> all() const { return std::span(storage).first(count); }
        u8 storage[max_processors]{};
        u64 count = 0;
    };

    void make_unfit(MpServices& services, UINTN count) const {
        constexpr u64 unfit = 2;
        const std::span<const u8> ids = listed_.all().last(std::min(unfit, listed_.count));
        for (UINTN i = 0; i < count; ++i) {
            ProcessorInformation information{};
            if (!failed(services.get_information(&services, i, &information)) &&
                std::ranges::find(ids, information.processor_id) != ids.end())
                services.startup_this_ap(&services, switch_vtx_off, i, nullptr, 0, nullptr, nullptr);
        }
    }

    Ids listed_;
    Ids hidden_;
};

/// The hidden processors wait for a start-up IPI for good. OVMF would leave them in a loop around MWAIT, which Bochs
/// executes very slowly.
void EFIAPI stop_hidden(EFI_EVENT, void* processors) {
    constexpr u64 icr_low = 0xfee0'0300; // SDM 3A 11.6.1
    constexpr u64 icr_high = 0xfee0'0310;
    constexpr u32 init = 5u << 8 | 1u << 14;
    for (const u8 id : static_cast<const Processors*>(processors)->hidden()) {
        *boot::at_physical<volatile u32>({icr_high}) = u32{id} << 24;
        *boot::at_physical<volatile u32>({icr_low}) = init;
    }
}

EFI_BOOT_SERVICES* services_at_exit;
EFI_EVENT after_all;

/// OVMF still runs something on all processors then, and its own function comes after this one: this queues another.
void EFIAPI exit_boot_services(EFI_EVENT, void*) { services_at_exit->SignalEvent(after_all); }

void stop_hidden_at_exit(const Firmware& firmware, Processors& processors) {
    EFI_EVENT event = nullptr;
    services_at_exit = firmware.boot;
    firmware.boot->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, stop_hidden, &processors, &after_all);
    firmware.boot->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK, exit_boot_services, nullptr, &event);
}

/// PMBA in the configuration space of the PIIX4's function 3 (PIIX4 datasheet 7.1.10), where OVMF has put it.
u16 pm_base() {
    constexpr u16 address_port = 0xcf8;
    constexpr u16 data_port = 0xcfc;
    constexpr u32 function_at_bus_0 = 0x8000'0000 | 1u << 11 | 3u << 8;
    constexpr u32 pmba = 0x40;
    arch::out32(address_port, function_at_bus_0 | pmba);
    return static_cast<u16>(arch::in32(data_port) & 0xffc0);
}

EFI_STATUS install_tables(const Firmware& firmware, const Processors& processors) {
    const MachineParts parts{.pm_base = pm_base(), .apic_ids = processors.listed()};
    if (parts.pm_base == 0 || parts.apic_ids.empty())
        return EFI_NOT_FOUND;
    EFI_PHYSICAL_ADDRESS address = 0xffff'ffff; // the RSDP's and the FADT's older pointers have 32 bits
    constexpr UINTN pages = (sizeof(MachineTables) + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE;
    const EFI_STATUS status = firmware.boot->AllocatePages(AllocateMaxAddress, EfiACPIReclaimMemory, pages, &address);
    if (failed(status))
        return status;
    auto* tables = boot::at_physical<MachineTables>({address});
    build_tables(*tables, address, parts);
    EFI_GUID guid = ACPI_20_TABLE_GUID;
    return firmware.boot->InstallConfigurationTable(&guid, &tables->rsdp);
}

EFI_STATUS prepare(const Firmware& firmware) {
    if (has_tables(firmware))
        return !wants_absent_processors(firmware) || enable_absent_processors(firmware) ? EFI_SUCCESS : EFI_NOT_FOUND;
    static Processors processors(firmware);
    const EFI_STATUS status = install_tables(firmware, processors);
    if (failed(status))
        return status;
    install_screen(firmware);
    stop_hidden_at_exit(firmware, processors);
    return EFI_SUCCESS;
}

} // namespace
} // namespace bulkhead::firmware

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* table) {
    using namespace bulkhead;
    const boot::Firmware firmware(image, table);
    const EFI_STATUS prepared = firmware::prepare(firmware);
    if (boot::failed(prepared)) {
        firmware.console.print("acpi_tables: the tables cannot be installed\n");
        return prepared;
    }
    const EFI_STATUS status = firmware::start_beside(firmware, u"\\EFI\\BOOT\\BULKHEAD.EFI");
    if (boot::failed(status))
        firmware.console.print("acpi_tables: the product cannot be started, or it gave up\n");
    return status;
}
