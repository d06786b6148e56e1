// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/inventory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "config/utf8.hpp"
#include "survey/memory.hpp"
#include "tools/failure.hpp"
#include "tools/toml_library.hpp"

namespace bulkhead::tools {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const ::toml::source_region& where,
                         const std::string& why) {
    throw Failure(path.string() + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column) +
                  ": error: " + why);
}

class Reader {
public:
    explicit Reader(const std::filesystem::path& path) : path_(path), file_(parse()) {}

    InventoryMachine machine() {
        check_schema();
        InventoryMachine result;
        result.name = printable(file_["board"]["system-product"].value_or(file_["processor"]["name"].value_or("")));
        add_verdict(result);
        for_each("serial", [&](const ::toml::table& table) {
            if (const auto port = table["port"].value<i64>(); port && *port > 0 && *port <= 0xffff)
                result.serial_ports.push_back(static_cast<u16>(*port));
        });
        for_each("cpu", [&](const ::toml::table& table) { add_cpu(result, table); });
        for_each("memory", [&](const ::toml::table& table) { add_memory(result, table); });
        for_each("near-memory", [&](const ::toml::table& table) {
            result.nodes.push_back({.range = range(table), .node = static_cast<u32>(number(table, "node", max32))});
        });
        std::ranges::sort(result.free_memory, {}, &PhysicalRange::start);
        const auto overlap = [](const PhysicalRange& a, const PhysicalRange& b) { return a.end() > b.start; };
        if (std::ranges::adjacent_find(result.free_memory, overlap) != result.free_memory.end())
            refuse(path_, file_.source(), "two ranges of free memory overlap");
        return result;
    }

private:
    static constexpr u64 max32 = std::numeric_limits<u32>::max();

    ::toml::table parse() const {
        if (std::filesystem::exists(path_) && !std::filesystem::is_regular_file(path_))
            throw Failure("cannot read '" + path_.string() + "': it is not a regular file"); // a FIFO may last for ever
        std::ifstream stream(path_, std::ios::binary);
        if (!stream)
            throw Failure("cannot read '" + path_.string() + "': " + std::strerror(errno));
        const std::string text((std::istreambuf_iterator<char>(stream)), {});
        try {
            return ::toml::parse(text);
        } catch (const ::toml::parse_error& error) {
            refuse(path_, error.source(), std::string(error.description()));
        }
    }

    void check_schema() {
        const auto schema = file_["schema"].value<i64>();
        if (!schema)
            refuse(path_, file_.source(), "it has no 'schema': it is no inventory");
        if (*schema < 1 || *schema > i64{survey::inventory_schema})
            refuse(path_, file_["schema"].node()->source(),
                   "an inventory of schema " + std::to_string(*schema) + "; this command reads up to " +
                       std::to_string(survey::inventory_schema) + ": write it again, or use a newer command");
    }

    template <class Visit> void for_each(std::string_view name, Visit visit) {
        const ::toml::node* node = file_.get(name);
        if (node == nullptr)
            return;
        if (!node->is_array_of_tables())
            refuse(path_, node->source(), "'" + std::string(name) + "' is not an array of tables");
        for (const ::toml::node& item : *node->as_array())
            visit(*item.as_table());
    }

    u64 number(const ::toml::table& table, std::string_view key, u64 maximum) const {
        const auto value = table[key].value<i64>();
        if (!value || *value < 0 || static_cast<u64>(*value) > maximum)
            refuse(path_, table.source(), "'" + std::string(key) + "' is missing, or is not a number that it can be");
        return static_cast<u64>(*value);
    }

    PhysicalRange range(const ::toml::table& table) const {
        constexpr u64 most = u64{1} << 52;
        return {{number(table, "start", most)}, number(table, "size", most)};
    }

    /// What firmware and a stranger's file say goes to a terminal and into a picture.
    static std::string printable(std::string_view text) {
        std::string result;
        for (Character next; (next = decode_utf8(text)).size != 0; text.remove_prefix(next.size))
            result += next.valid && next.code >= ' ' && !is_control(next.code) && !is_invisible(next.code)
                          ? text.substr(0, next.size)
                          : "?";
        return result;
    }

    void add_verdict(InventoryMachine& machine) const {
        const std::string verdict = file_["verdict"]["can-run"].value_or(std::string());
        if (verdict != "no" && verdict != "unknown")
            return;
        std::vector<std::string>& why = verdict == "no" ? machine.reasons_against : machine.doubts;
        if (const ::toml::array* reasons = file_["verdict"]["reasons"].as_array())
            for (const ::toml::node& reason : *reasons)
                why.push_back(printable(reason.value_or(std::string())));
        if (why.empty())
            why.emplace_back("its inventory does not say why");
    }

    void add_cpu(InventoryMachine& machine, const ::toml::table& table) const {
        const auto id = [&](std::string_view key) { return static_cast<u32>(number(table, key, max32)); };
        if (id("number") != machine.cpus.size())
            refuse(path_, table.source(), "CPUs are numbered from 0 on, in order");
        if (machine.cpus.size() == max_cpus)
            refuse(path_, table.source(), "more CPUs than Bulkhead runs on");
        if (std::ranges::find(machine.cpus, id("apic-id"), &CpuInfo::apic_id) != machine.cpus.end())
            refuse(path_, table.source(), "another CPU has this APIC ID");
        machine.cpus.push_back({.apic_id = id("apic-id"),
                                .acpi_uid = 0,
                                .core = id("core"),
                                .package = id("package"),
                                .cache = id("cache"),
                                .node = id("node")});
    }

    /// As the loader does: nothing below 1 MiB.
    void add_memory(InventoryMachine& machine, const ::toml::table& table) const {
        survey::MemoryKind kind{};
        const std::string name = table["kind"].value_or(std::string());
        if (!survey::memory_kind_of(name, kind))
            refuse(path_, table.source(), "there is no kind of memory '" + name + "'");
        PhysicalRange piece = range(table);
        const u64 end = piece.start.value + piece.size;
        piece.start.value = std::max(piece.start.value, MiB);
        if (kind == survey::MemoryKind::Free && end > piece.start.value)
            machine.free_memory.push_back({piece.start, end - piece.start.value});
    }

    std::filesystem::path path_;
    ::toml::table file_;
};

} // namespace

InventoryMachine read_inventory(const std::filesystem::path& path) { return Reader(path).machine(); }

} // namespace bulkhead::tools
