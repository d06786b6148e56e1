// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/interpret.hpp"

#include "config/schema.hpp"
#include "config/suggestion.hpp"
#include "config/values.hpp"

namespace bulkhead {
namespace {

constexpr std::string_view hypervisor_table = "hypervisor";
constexpr std::string_view guest_table = "guest";

template <class Section, std::size_t Count>
constexpr std::array<std::string_view, Count> names_of(const std::array<Key<Section>, Count>& keys) {
    std::array<std::string_view, Count> names;
    for (std::size_t i = 0; i < Count; ++i)
        names[i] = keys[i].rule.name;
    return names;
}

constexpr auto root_names = names_of(root_keys);
constexpr auto hypervisor_names = names_of(hypervisor_keys);
constexpr auto guest_names = names_of(guest_keys);

bool contains(std::span<const std::string_view> names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

constexpr bool is_memory(const Key<GuestConfig>& key) { return key.rule.type == ValueType::Memory; }

/// Stands in one table at a time, as the entries do.
class Interpreter {
public:
    Interpreter(const ListStorage& lists, Configuration& configuration, Diagnostics& diagnostics)
        : lists_(lists), configuration_(configuration), diagnostics_(diagnostics) {}

    void take(const toml::Entry& entry);
    void finish_table();

private:
    enum class Table { Root, Hypervisor, Guest, Unknown };

    void begin_table(const toml::Entry& entry);
    void begin_guest(const toml::Entry& entry);
    void refuse_key(const toml::Entry& entry, std::span<const std::string_view> names);
    template <class Section, std::size_t Count>
    void take_key(const toml::Entry& entry, const std::array<Key<Section>, Count>& keys, Section& section);
    template <class Section> void store(const toml::Value& value, const Key<Section>& key, Section& section);
    CpuRequest read_cpu_request(const KeyRule& rule, const toml::Value& value);
    void refuse_stray_key(const toml::Entry& entry);

    ListStorage lists_;
    Configuration& configuration_;
    Diagnostics& diagnostics_;
    Table table_ = Table::Root;
    u32 seen_ = 0; ///< of the current guest: bit n for guest_keys[n]
};

static_assert(guest_keys.size() <= 32);

void Interpreter::take(const toml::Entry& entry) {
    if (entry.kind != toml::EntryKind::Key) {
        finish_table();
        return begin_table(entry);
    }
    switch (table_) {
    case Table::Root:
        if (contains(root_names, entry.name))
            take_key(entry, root_keys, configuration_);
        else
            refuse_stray_key(entry);
        break;
    case Table::Hypervisor:
        take_key(entry, hypervisor_keys, configuration_.hypervisor);
        break;
    case Table::Guest:
        take_key(entry, guest_keys, configuration_.guests.back());
        break;
    case Table::Unknown:
        break;
    }
}

/// One that stands above all tables, and is not one of root_keys.
void Interpreter::refuse_stray_key(const toml::Entry& entry) {
    diagnostics_.error(entry.at, Quoted{entry.name}, " stands outside of a table; it belongs below ",
                       contains(hypervisor_names, entry.name) ? "[hypervisor]"
                       : contains(guest_names, entry.name)    ? "[[guest]]"
                                                              : "[hypervisor] or [[guest]]");
}

void Interpreter::begin_table(const toml::Entry& entry) {
    const bool array = entry.kind == toml::EntryKind::TableArray;
    table_ = Table::Unknown;
    if (entry.kind == toml::EntryKind::BrokenHeader)
        return;
    if (entry.name == hypervisor_table) {
        table_ = Table::Hypervisor;
        if (array)
            diagnostics_.error(entry.at, "there is one hypervisor: write [hypervisor]");
        return;
    }
    if (entry.name == guest_table) {
        if (!array)
            diagnostics_.error(entry.at, "there can be several guests: write [[guest]]");
        return begin_guest(entry);
    }
    constexpr std::string_view tables[] = {hypervisor_table, guest_table};
    const std::string_view meant = suggest(entry.name, tables);
    if (meant.empty())
        diagnostics_.error(entry.at, "there is no table ", Quoted{entry.name},
                           "; tables are [hypervisor] and [[guest]]");
    else
        diagnostics_.error(entry.at, "there is no table ", Quoted{entry.name}, "; did you mean ",
                           meant == guest_table ? "[[guest]]?" : "[hypervisor]?");
}

void Interpreter::begin_guest(const toml::Entry& entry) {
    seen_ = 0;
    GuestConfig guest;
    guest.at = entry.at;
    if (configuration_.guests.push_back(guest))
        table_ = Table::Guest;
    else
        diagnostics_.error(entry.at, "this is one guest too many: a configuration has at most ", max_guests);
}

void Interpreter::finish_table() {
    if (table_ != Table::Guest)
        return;
    const GuestConfig& guest = configuration_.guests.back();
    for (std::size_t i = 0; i < guest_keys.size(); ++i)
        if (guest_keys[i].rule.required && (seen_ >> i & 1) == 0 && !(guest.rest.value && is_memory(guest_keys[i])))
            diagnostics_.error(guest.at, "this guest has no ", Quoted{guest_keys[i].rule.name}, " (",
                               describe(guest_keys[i].rule.type), ")");
}

void Interpreter::refuse_key(const toml::Entry& entry, std::span<const std::string_view> names) {
    const bool guest = table_ == Table::Guest;
    if (contains(guest ? std::span<const std::string_view>(hypervisor_names) : guest_names, entry.name)) {
        diagnostics_.error(entry.at, Quoted{entry.name}, " belongs below ", guest ? "[hypervisor]" : "[[guest]]");
        return;
    }
    if (contains(root_names, entry.name)) {
        diagnostics_.error(entry.at, Quoted{entry.name}, " belongs above all tables, at the top of the file");
        return;
    }
    if (const std::string_view meant = suggest(entry.name, names); !meant.empty())
        diagnostics_.error(entry.at, "there is no key ", Quoted{entry.name}, "; did you mean ", Quoted{meant}, "?");
    else
        diagnostics_.error(entry.at, "there is no key ", Quoted{entry.name}, " below ",
                           guest ? "[[guest]]" : "[hypervisor]");
}

template <class Section, std::size_t Count>
void Interpreter::take_key(const toml::Entry& entry, const std::array<Key<Section>, Count>& keys, Section& section) {
    for (std::size_t i = 0; i < Count; ++i) {
        if (keys[i].rule.name != entry.name)
            continue;
        seen_ |= u32{1} << i;
        // A value that the parser refused is reported already.
        if (entry.value.kind != toml::ValueKind::Invalid)
            store(entry.value, keys[i], section);
        else if (const auto* cpus = std::get_if<CpuRequest Section::*>(&keys[i].target))
            section.*(*cpus) = {.count = 0, .list = {}, .at = {}};
        return;
    }
    refuse_key(entry, names_of(keys));
}

CpuRequest Interpreter::read_cpu_request(const KeyRule& rule, const toml::Value& value) {
    const auto cpus = read_cpus(rule, value, lists_.cpu_numbers, diagnostics_);
    if (!cpus)
        return {.count = 0, .list = {}, .at = {}};
    lists_.cpu_numbers = lists_.cpu_numbers.subspan(cpus->list.size());
    return *cpus;
}

template <class Section> void Interpreter::store(const toml::Value& value, const Key<Section>& key, Section& section) {
    const auto keep = [&](const auto& target, const auto& read) {
        if (read)
            section.*(*target) = {*read, value.at};
    };
    const auto* number = std::get_if<Located<u64> Section::*>(&key.target);
    const auto* text = std::get_if<Located<std::string_view> Section::*>(&key.target);
    switch (key.rule.type) {
    case ValueType::Number:
    case ValueType::Port:
        return keep(number, read_number(key.rule, value, diagnostics_));
    case ValueType::Word:
        return keep(number, read_word(key.rule, value, diagnostics_));
    case ValueType::Flag:
        return keep(std::get_if<Located<bool> Section::*>(&key.target), read_flag(key.rule, value, diagnostics_));
    case ValueType::Name:
    case ValueType::Path:
    case ValueType::Text:
    case ValueType::Digest:
        return keep(text, read_text(key.rule, value, diagnostics_));
    case ValueType::Memory:
        if (const auto memory = read_memory(key.rule, value, lists_.memory_ranges, diagnostics_)) {
            section.*(*std::get_if<MemoryRequest Section::*>(&key.target)) = *memory;
            lists_.memory_ranges = lists_.memory_ranges.subspan(memory->ranges.size());
        }
        return;
    case ValueType::Cpus:
        section.*(*std::get_if<CpuRequest Section::*>(&key.target)) = read_cpu_request(key.rule, value);
        return;
    case ValueType::Modules:
        if (const auto modules = read_modules(key.rule, value, lists_.modules, diagnostics_)) {
            section.*(*std::get_if<std::span<const ModuleConfig> Section::*>(&key.target)) = *modules;
            lists_.modules = lists_.modules.subspan(modules->size());
        }
        return;
    case ValueType::Digests:
        if (const auto digests = read_digests(key.rule, value, lists_.digests, diagnostics_)) {
            section.*(*std::get_if<std::span<const Located<std::string_view>> Section::*>(&key.target)) = *digests;
            lists_.digests = lists_.digests.subspan(digests->size());
        }
        return;
    }
}

/// The interrupt that a PC's COM port has.
constexpr u64 standard_irq(u64 port) {
    return port == 0x3f8 || port == 0x3e8 ? 4 : port == 0x2f8 || port == 0x2e8 ? 3 : 0;
}

template <class Section> void complete_console(Section& section) {
    if (!section.console_irq.given())
        section.console_irq.value = standard_irq(section.console_port.value);
}

/// What else was found is about keys of another version, and would only hide this.
void refuse_schema(const Located<u64>& schema, Diagnostics& diagnostics) {
    diagnostics.clear();
    diagnostics.error(schema.at, "this file is written for version ", schema.value,
                      " of the keys, and this program knows version ", schema_version,
                      schema.value > schema_version
                          ? ": use a newer Bulkhead, or write the file for this one (its docs/configuration.md)"
                          : ": bring the file up to it, as docs/configuration.md says");
}

} // namespace

void interpret(std::span<const toml::Entry> entries, const ListStorage& lists, Configuration& configuration,
               Diagnostics& diagnostics) {
    configuration = {};
    Interpreter interpreter(lists, configuration, diagnostics);
    for (const toml::Entry& entry : entries)
        interpreter.take(entry);
    interpreter.finish_table();
    if (configuration.schema.value != schema_version)
        return refuse_schema(configuration.schema, diagnostics);
    complete_console(configuration.hypervisor);
    for (GuestConfig& guest : configuration.guests)
        complete_console(guest);
}

} // namespace bulkhead
