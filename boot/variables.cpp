// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/variables.hpp"

#include <algorithm>

#include "boot/stopwatch.hpp"

namespace bulkhead::boot {

namespace {

/// Ours, drawn at random.
constexpr EFI_GUID bulkhead_vendor{0x6d2f1c3e, 0x5b0a, 0x4f57, {0x9e, 0x41, 0x2a, 0xd3, 0x70, 0x8c, 0x15, 0xb6}};
constexpr char16_t record_name[] = u"BulkheadBoot";
constexpr char16_t text_names[2][16] = {u"BulkheadToml0", u"BulkheadToml1"};

/// Texts are the loader's alone. The record is written by the hypervisor, too.
constexpr u32 texts_attributes = EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS;
constexpr u32 record_attributes = texts_attributes | EFI_VARIABLE_RUNTIME_ACCESS;

struct Name {
    explicit Name(const char16_t* name) {
        for (u64 i = 0; i + 1 < std::size(text) && name[i] != 0; ++i)
            text[i] = static_cast<CHAR16>(name[i]);
    }
    CHAR16 text[16]{};
};

/// How much there was, or 0.
u64 read(const Firmware& firmware, u64& ticks, const char16_t* variable, void* memory, u64 size) {
    const Stopwatch stopwatch(ticks);
    Name name(variable);
    EFI_GUID vendor = bulkhead_vendor;
    UINTN bytes = size;
    return failed(firmware.table->RuntimeServices->GetVariable(name.text, &vendor, nullptr, &bytes, memory)) ? 0
                                                                                                             : bytes;
}

bool write(const Firmware& firmware, u64& ticks, const char16_t* variable, u32 attributes, const void* memory,
           u64 size) {
    const Stopwatch stopwatch(ticks);
    Name name(variable);
    EFI_GUID vendor = bulkhead_vendor;
    return !failed(
        firmware.table->RuntimeServices->SetVariable(name.text, &vendor, attributes, size, const_cast<void*>(memory)));
}

} // namespace

bool Variables::read_record(BootRecord& record) {
    return read(firmware_, ticks_, record_name, &record, sizeof record) == sizeof record;
}

bool Variables::write_record(const BootRecord& record) {
    return write(firmware_, ticks_, record_name, record_attributes, &record, sizeof record);
}

std::string_view Variables::read_text(u8 slot) {
    return {text_.data(), read(firmware_, ticks_, text_names[slot & 1], text_.data(), text_.size())};
}

/// Firmware is known that does not start any more when its memory for variables is full: half of it stays free.
bool Variables::write_text(u8 slot, std::string_view text) {
    UINT64 all = 0, left = 0, largest = 0;
    const EFI_STATUS status =
        firmware_.table->RuntimeServices->QueryVariableInfo(texts_attributes, &all, &left, &largest);
    const bool fits = failed(status) || (text.size() <= largest && text.size() + all / 2 <= left);
    return text.size() <= text_.size() && fits &&
           write(firmware_, ticks_, text_names[slot & 1], texts_attributes, text.data(), text.size());
}

Variables::Call Variables::call(const BootRecord& record) {
    Call call{.name = {}, .vendor = bulkhead_vendor, .record = record};
    std::ranges::copy(Name(record_name).text, call.name);
    return call;
}

FirmwareVariable Variables::variable_of(const Call& call) {
    return {.name = physical_of(call.name),
            .vendor = physical_of(&call.vendor),
            .data = physical_of(&call.record),
            .size = sizeof call.record,
            .attributes = record_attributes};
}

} // namespace bulkhead::boot
