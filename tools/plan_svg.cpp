// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Packages, cores and threads above, memory below, each in the colour of the guest that has it.
#include <algorithm>
#include <array>
#include <map>

#include "tools/plan.hpp"

namespace bulkhead::tools {
namespace {

/// Of Okabe and Ito: told apart by most eyes, and in grey.
constexpr std::array<std::string_view, 7> colours{"#56b4e9", "#e69f00", "#009e73", "#f0e442",
                                                  "#cc79a7", "#0072b2", "#d55e00"};
constexpr std::string_view free_colour = "#eeeeee";

constexpr unsigned width = 960;
constexpr unsigned margin = 20;
constexpr unsigned thread_width = 56;
constexpr unsigned thread_height = 44;
constexpr unsigned threads_in_row = 16; ///< of one core, as wide as the picture
constexpr unsigned gap = 8;
constexpr unsigned line_height = 22;

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text)
        result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
    return result;
}

class Picture {
public:
    Picture(std::ostream& out, const PlannedMachine& plan) : out_(out), plan_(plan) {}

    void write() {
        draw_title();
        draw_legend();
        draw_cores();
        draw_memory();
        out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << y_ + margin
             << "\" viewBox=\"0 0 " << width << ' ' << y_ + margin
             << "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" "
                "fill=\"white\"/>\n"
             << body_ << "</svg>\n";
    }

private:
    void text(unsigned x, unsigned y, std::string_view words, std::string_view more = "") {
        body_ += "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" " + std::string(more) + '>' +
                 escaped(words) + "</text>\n";
    }
    /// `title` is what a browser shows under the pointer.
    void box(double x, unsigned y, double w, unsigned h, std::string_view colour, std::string_view title = "") {
        body_ += "<rect x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" width=\"" + std::to_string(w) +
                 "\" height=\"" + std::to_string(h) + "\" fill=\"" + std::string(colour) +
                 "\" stroke=\"#444444\"><title>" + escaped(title) + "</title></rect>\n";
    }

    /// Behind those seven: hues that follow each other at the golden angle never come close to each other soon.
    [[nodiscard]] static std::string colour_of(std::size_t guest) {
        if (guest < colours.size())
            return std::string(colours[guest]);
        return "hsl(" + std::to_string(guest * 137 % 360) + "," + std::to_string(40 + guest % 3 * 20) + "%,70%)";
    }
    [[nodiscard]] std::size_t owner_of(u32 cpu) const {
        std::size_t guest = 0;
        while (guest < plan_.guests.size() &&
               std::ranges::find(plan_.guests[guest].cpus, cpu) == plan_.guests[guest].cpus.end())
            ++guest;
        return guest;
    }

    void draw_title() {
        text(margin, y_ + line_height, "Plan for " + plan_.machine, "font-size=\"18\" font-weight=\"bold\"");
        y_ += 2 * line_height;
    }

    void draw_legend() {
        for (std::size_t i = 0; i < plan_.guests.size(); ++i) {
            const PlannedMachine::Guest& guest = plan_.guests[i];
            u64 memory = 0;
            for (const MemoryChunk& chunk : guest.memory)
                memory += chunk.size;
            Line<256> line;
            line << guest.name << ": " << u64{guest.cpus.size()} << (guest.cpus.size() == 1 ? " CPU, " : " CPUs, ")
                 << Size{memory} << ", " << guest.console << (guest.far ? "; not all of it is near" : "");
            box(margin, y_, 16, 16, colour_of(i));
            text(margin + 24, y_ + 13, line.view());
            y_ += line_height;
        }
        y_ += gap;
    }

    void draw_cores() {
        std::map<u32, std::map<u32, std::vector<u32>>> packages; // package, core, CPUs
        for (u32 cpu = 0; cpu < plan_.cpus.size(); ++cpu)
            packages[plan_.cpus[cpu].package][plan_.cpus[cpu].core].push_back(cpu);
        for (const auto& [package, cores] : packages) {
            text(margin, y_ + 14, "Package " + std::to_string(package), "font-weight=\"bold\"");
            y_ += line_height;
            unsigned x = margin, row_height = 0;
            for (const auto& [core, cpus] : cores) {
                const unsigned threads = static_cast<unsigned>(cpus.size());
                const unsigned core_width = std::min(threads, threads_in_row) * thread_width + gap;
                if (x + core_width > width - margin && x != margin) {
                    x = margin;
                    y_ += row_height + gap;
                    row_height = 0;
                }
                const unsigned rows = (threads + threads_in_row - 1) / threads_in_row;
                draw_core(x, core_width, rows, core, cpus);
                row_height = std::max(row_height, rows * thread_height + gap);
                x += core_width + gap;
            }
            y_ += row_height + 2 * gap;
        }
    }

    void draw_core(unsigned x, unsigned core_width, unsigned rows, u32 core, const std::vector<u32>& cpus) {
        const CpuInfo& first = plan_.cpus[cpus.front()];
        Line<96> title;
        title << "core " << core << ", cache " << first.cache << ", node " << first.node;
        box(x, y_, core_width, rows * thread_height + gap, "#ffffff", title.view());
        for (unsigned i = 0; i < cpus.size(); ++i) {
            const u32 cpu = cpus[i];
            const unsigned at = x + gap / 2 + i % threads_in_row * thread_width;
            const unsigned y = y_ + gap / 2 + i / threads_in_row * thread_height;
            const std::size_t owner = owner_of(cpu);
            const bool owned = owner < plan_.guests.size();
            Line<160> words;
            words << "CPU " << cpu << ", APIC ID " << plan_.cpus[cpu].apic_id << ": "
                  << (owned ? std::string_view(plan_.guests[owner].name) : std::string_view("nobody's"));
            box(at, y, thread_width, thread_height, owned ? colour_of(owner) : free_colour, words.view());
            text(at + 6, y + 18, "CPU " + std::to_string(cpu), "pointer-events=\"none\"");
            if (cpu == plan_.service_cpu)
                text(at + 6, y + 36, "service", "font-size=\"11\" pointer-events=\"none\"");
        }
    }

    /// A bar for each free range of the machine: all as wide as the picture, with the pieces of guests to the scale of
    /// their own bar.
    void draw_memory() {
        text(margin, y_ + 14, "Memory", "font-weight=\"bold\"");
        y_ += line_height;
        for (const PhysicalRange& range : plan_.free_memory) {
            if (range.size < large_page_size)
                continue;
            Line<96> words;
            words << Hex{range.start.value} << " to " << Hex{range.end().value} << ", " << Size{range.size};
            text(margin, y_ + 12, words.view(), "font-size=\"11\"");
            y_ += 16;
            box(margin, y_, width - 2 * margin, 28, free_colour, "free");
            for (std::size_t i = 0; i < plan_.guests.size(); ++i)
                for (const MemoryChunk& chunk : plan_.guests[i].memory)
                    draw_chunk(range, i, chunk);
            y_ += 28 + gap;
        }
    }

    void draw_chunk(const PhysicalRange& range, std::size_t guest, const MemoryChunk& chunk) {
        const u64 start = std::max(range.start.value, chunk.host.value);
        const u64 end = std::min(range.end().value, chunk.host.value + chunk.size);
        if (start >= end)
            return;
        const double scale = (width - 2.0 * margin) / static_cast<double>(range.size);
        Line<160> words;
        words << plan_.guests[guest].name << ": " << Size{end - start} << " at " << Hex{start};
        const double x = margin + static_cast<double>(start - range.start.value) * scale;
        const double w = std::max(1.0, static_cast<double>(end - start) * scale);
        box(x, y_, w, 28, colour_of(guest), words.view());
        if (w > 8.0 * static_cast<double>(plan_.guests[guest].name.size()) + 10)
            text(static_cast<unsigned>(x) + 6, y_ + 18, plan_.guests[guest].name, "pointer-events=\"none\"");
    }

    std::ostream& out_;
    const PlannedMachine& plan_;
    std::string body_;
    unsigned y_ = margin;
};

} // namespace

void write_plan_svg(std::ostream& out, const PlannedMachine& plan) { Picture(out, plan).write(); }

} // namespace bulkhead::tools
