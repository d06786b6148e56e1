// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/write_inventory.hpp"

#include "survey/memory.hpp"
#include "survey/pci.hpp"
#include "survey/processor.hpp"
#include "survey/toml_writer.hpp"
#include "version.hpp"

namespace bulkhead::survey {

namespace {

std::string_view name_of(Source source) {
    constexpr std::string_view names[] = {"loader", "linux", "recording"};
    return names[static_cast<std::size_t>(source)];
}

std::string_view name_of(SerialSource source) {
    constexpr std::string_view names[] = {"ports", "spcr", "dbg2", "pci", "linux"};
    return names[static_cast<std::size_t>(source)];
}

std::string_view name_of(Verdict verdict) {
    constexpr std::string_view names[] = {"unknown", "no", "yes"};
    return names[static_cast<std::size_t>(verdict)];
}

template <std::size_t Size, std::size_t Count>
void write_notes(TomlWriter& out, std::string_view key, const StaticVector<FixedText<Size>, Count>& notes) {
    out.begin_list(key);
    for (const auto& note : notes)
        out.word(note.view());
    out.end_list();
}

void write_verdict(TomlWriter& out, const Inventory& inventory) {
    out.table("verdict");
    out.text("can-run", name_of(inventory.verdict));
    write_notes(out, "reasons", inventory.reasons);
    write_notes(out, "warnings", inventory.warnings);
    out.number("not-understood", inventory.unknown.size() + inventory.more_unknown);
}

void write_firmware(TomlWriter& out, const FirmwareFacts& firmware) {
    const auto known = [&](std::string_view key, Known value) {
        if (value != Known::NotKnown)
            out.flag(key, value == Known::Yes);
    };
    out.table("firmware");
    known("uefi", firmware.is_uefi);
    out.text_if("vendor", firmware.vendor.view());
    if (firmware.revision != 0)
        out.hex("revision", firmware.revision);
    if (firmware.uefi != 0) {
        Line<24> version;
        version << (firmware.uefi >> 16) << '.' << (firmware.uefi & 0xffff) / 10;
        out.text("uefi-version", version.view());
    }
    known("secure-boot", firmware.secure_boot);
    out.flag("pic", firmware.has_8259);
    out.number("io-apics", firmware.io_apics);
    if (firmware.screen.address.value != 0) {
        Line<32> mode;
        mode << firmware.screen.width << 'x' << firmware.screen.height;
        out.text("screen", mode.view());
        out.hex("screen-address", firmware.screen.address.value);
        out.number("screen-format", firmware.screen.format);
        out.number("screen-pixels-per-line", firmware.screen.pixels_per_line);
    }
}

void write_board(TomlWriter& out, const Board& board, Identity identity) {
    out.table("board");
    out.text_if("system-vendor", board.system_vendor.view());
    out.text_if("system-product", board.system_product.view());
    out.text_if("system-version", board.system_version.view());
    out.text_if("board-vendor", board.board_vendor.view());
    out.text_if("board-product", board.board_product.view());
    out.text_if("board-version", board.board_version.view());
    out.text_if("bios-vendor", board.bios_vendor.view());
    out.text_if("bios-version", board.bios_version.view());
    out.text_if("bios-date", board.bios_date.view());
    if (identity == Identity::LeftOut)
        return;
    out.text_if("system-serial", board.system_serial.view());
    out.text_if("system-uuid", board.system_uuid.view());
    out.text_if("board-serial", board.board_serial.view());
}

void write_processor(TomlWriter& out, const Inventory& inventory) {
    const Processor& processor = inventory.processor;
    out.table("processor");
    out.text("vendor", processor.vendor.view());
    out.text("name", processor.name.view());
    out.hex("signature", processor.signature, 8);
    out.number("family", processor.family);
    out.number("model", processor.model);
    out.number("stepping", processor.stepping);
    out.number("physical-address-bits", processor.physical_bits);
    out.number("linear-address-bits", processor.linear_bits);
    if (processor.hypervisor)
        out.text("hypervisor", processor.hypervisor_name.view());
    out.begin_list("features");
    for (std::size_t i = 0; i < listed_features.size(); ++i)
        if ((processor.features >> i & 1) != 0)
            out.word(listed_features[i].name);
    out.end_list();
}

void write_virtualization(TomlWriter& out, const Virtualization& words) {
    if (words.has_svm) {
        out.table("svm");
        out.number("asids", words.asids);
        out.hex("features", words.svm_edx, 8);
        if (words.msrs_known)
            out.hex("vm-cr", words.vm_cr);
    }
    if (words.has_vmx && words.msrs_known) {
        out.table("vmx");
        out.hex("feature-control", words.feature_control);
        out.begin_list("capability-msrs"); // 480h to 490h; in quotes: bit 63 may be set
        for (const u64 word : words.vmx) {
            Line<20> text;
            text << Hex{word};
            out.word(text.view());
        }
        out.end_list();
    }
}

void write_caches(TomlWriter& out, const Inventory& inventory) {
    constexpr std::string_view types[] = {"", "data", "instructions", "unified"};
    for (const Cache& cache : inventory.caches) {
        out.item("cache");
        out.number("level", cache.level);
        out.text("type", cache.type < std::size(types) ? types[cache.type] : std::string_view());
        out.number("size", cache.bytes);
        out.number("ways", cache.ways);
        out.number("line", cache.line);
        if (cache.threads != 0)
            out.number("shared-by", cache.threads);
    }
}

void write_cpus(TomlWriter& out, const Inventory& inventory) {
    u64 number = 0;
    for (const CpuInfo& cpu : inventory.cpus) {
        out.item("cpu");
        out.number("number", number++);
        out.number("apic-id", cpu.apic_id);
        out.number("core", cpu.core);
        out.number("package", cpu.package);
        out.number("cache", cpu.cache);
        out.number("node", cpu.node);
    }
}

void write_memory(TomlWriter& out, const Inventory& inventory) {
    for (const MemoryPiece& piece : inventory.memory) {
        out.item("memory");
        out.hex("start", piece.range.start.value);
        out.hex("size", piece.range.size);
        out.text("kind", name_of(piece.kind));
    }
    for (const NodeMemory& near : inventory.nodes) {
        out.item("near-memory");
        out.hex("start", near.range.start.value);
        out.hex("size", near.range.size);
        out.number("node", near.node);
    }
}

void write_address(TomlWriter& out, const PciAddress& at) {
    Line<16> address;
    address << Shown{at};
    out.text("address", address.view());
}

void write_resets(TomlWriter& out, const Resets& resets) {
    out.begin_list("resets");
    if (resets.flr)
        out.word("flr");
    if (resets.af)
        out.word("af");
    if (resets.pm)
        out.word("pm");
    if (resets.bus)
        out.word("bus");
    if (resets.bus_shared)
        out.word("bus-shared");
    out.end_list();
}

void write_capabilities(TomlWriter& out, const PciFunction& function) {
    out.begin_list("capabilities");
    for (const u8 id : function.capabilities) {
        Line<24> name;
        write_capability(name, id);
        out.word(name.view());
    }
    for (const u16 id : function.extended) {
        Line<24> name;
        write_extended_capability(name, id);
        out.word(name.view());
    }
    out.end_list();
    if (function.has_acs)
        out.hex("acs", function.acs);
    if (function.msi_vectors != 0)
        out.number("msi-vectors", function.msi_vectors);
    if (function.msix_vectors != 0)
        out.number("msi-x-vectors", function.msix_vectors);
    if (function.virtual_functions != 0)
        out.number("virtual-functions", function.virtual_functions);
}

void write_bars(TomlWriter& out, const PciFunction& function) {
    for (const Bar& bar : function.bars) {
        out.item("pci.bar"); // of the [[pci]] before it
        out.number("index", bar.index);
        out.text("kind", bar.io ? "io" : bar.is_64_bit ? "memory64" : "memory");
        out.hex("address", bar.address);
        if (bar.size != 0)
            out.hex("size", bar.size);
        if (!bar.io)
            out.flag("prefetchable", bar.prefetchable);
    }
}

void write_function(TomlWriter& out, const PciFunction& function) {
    out.item("pci");
    write_address(out, function.at);
    out.text_if("what", class_name(function.class_code));
    out.hex("class", function.class_code, 6);
    out.hex("vendor", function.vendor, 4);
    out.hex("device", function.id, 4);
    out.hex("subsystem-vendor", function.subsystem_vendor, 4);
    out.hex("subsystem-device", function.subsystem_id, 4);
    out.hex("revision", function.revision);
    if (function.pcie_type != not_pcie) {
        const std::string_view type = pcie_type_name(function.pcie_type);
        out.text("pcie", type.empty() ? "unknown" : type);
    }
    if (function.header == 1 || function.header == 2) {
        out.number("secondary-bus", function.secondary_bus);
        out.number("subordinate-bus", function.subordinate_bus);
    }
    out.number("group", function.group);
    write_resets(out, function.resets);
    write_capabilities(out, function);
    out.text_if("problem", function.problem.view());
    write_bars(out, function);
}

void write_iommus(TomlWriter& out, const Inventory& inventory) {
    for (const Iommu& iommu : inventory.iommus) {
        out.item("iommu");
        out.text("kind", iommu.amd ? "amd" : "vt-d");
        out.hex("registers", iommu.base.value);
        out.number("segment", iommu.segment);
        if (iommu.has_address)
            write_address(out, iommu.at);
        if (!iommu.amd) {
            out.flag("all-devices", iommu.all_devices);
            out.number("scopes", iommu.scopes);
        }
    }
    for (const DmaReserve& reserve : inventory.dma_reserves) {
        out.item("dma-reserve");
        out.text("kind", reserve.amd ? "amd" : "vt-d");
        out.hex("start", reserve.range.start.value);
        out.hex("size", reserve.range.size);
    }
}

void write_serial(TomlWriter& out, const Inventory& inventory) {
    for (const SerialPort& port : inventory.serial) {
        out.item("serial");
        out.text("found-by", name_of(port.source));
        out.hex(port.io ? "port" : "memory", port.address);
        if (port.irq != 0)
            out.number("irq", port.irq);
        out.flag("is-16550", port.is_16550);
        if (port.has_pci)
            write_address(out, port.at);
    }
}

void write_tables(TomlWriter& out, const Inventory& inventory) {
    for (const AcpiTable& table : inventory.tables) {
        out.item("acpi");
        out.text("table", table.signature.view());
        out.number("length", table.length);
        out.number("revision", table.revision);
        out.text("oem", table.oem.view());
        out.text("oem-table", table.oem_table.view());
        out.flag("right", table.right);
    }
}

void write_unknown(TomlWriter& out, const Inventory& inventory) {
    for (const Unknown& one : inventory.unknown) {
        out.item("unknown");
        out.text("part", one.part.view());
        out.text("problem", one.problem.view());
        if (one.value != 0)
            out.hex("value", one.value);
    }
    if (inventory.more_unknown != 0) {
        out.item("unknown");
        out.text("part", "others");
        out.text("problem", "more parts that were not understood than there is room for");
        out.hex("value", inventory.more_unknown);
    }
}

} // namespace

std::string_view write_inventory(const Inventory& inventory, std::span<char> room, Identity identity) {
    TomlWriter out(room);
    out.comment("What this machine is made of, as Bulkhead found it. docs/hardware.md describes this file.");
    out.number("schema", inventory_schema);
    out.text("bulkhead", version);
    out.text("source", name_of(inventory.source));
    write_verdict(out, inventory);
    write_unknown(out, inventory);
    write_firmware(out, inventory.firmware);
    write_board(out, inventory.board, identity);
    write_processor(out, inventory);
    write_virtualization(out, inventory.virtualization);
    write_caches(out, inventory);
    write_cpus(out, inventory);
    write_memory(out, inventory);
    write_iommus(out, inventory);
    write_serial(out, inventory);
    for (const PciFunction& function : inventory.pci)
        write_function(out, function);
    write_tables(out, inventory);
    return out.finish();
}

} // namespace bulkhead::survey
