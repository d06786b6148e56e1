// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One group of bars for each figure that peers have: from 1 on the left, ten times as much for each step to the right.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "tools/bench/result.hpp"

namespace bulkhead::tools {
namespace {

constexpr int label_width = 430, step = 90, steps = 6, bar_height = 13, gap = 14, top = 70;
constexpr int width = label_width + step * steps + 120;

struct Party {
    std::string_view name, colour;
};
// Colours of Okabe and Ito, as in the plan's picture.
constexpr std::array<Party, 5> parties{Party{"Bulkhead", "#009e73"}, Party{"Jailhouse", "#56b4e9"},
                                       Party{"KVM", "#e69f00"}, Party{"Xen PVH", "#cc79a7"},
                                       Party{"Xen HVM", "#d55e00"}};

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text)
        result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
    return result;
}

std::string text_at(int x, int y, std::string_view text, std::string_view more = "") {
    return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" " + std::string(more) + '>' +
           escaped(text) + "</text>\n";
}

int length_of(double value) {
    return static_cast<int>(std::lround(std::clamp(std::log10(std::max(value, 1.0)), 0.0, double{steps}) * step));
}

std::string bar(int y, const Party& party, double value) {
    const int length = std::max(2, length_of(value)); // nothing is seen, too
    return "<rect x=\"" + std::to_string(label_width) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
           std::to_string(length) + "\" height=\"" + std::to_string(bar_height - 2) + "\" fill=\"" +
           std::string(party.colour) + "\"><title>" + escaped(party.name) + "</title></rect>\n" +
           text_at(label_width + length + 4, y + bar_height - 3, std::to_string(std::llround(value)),
                   "font-size=\"10\"");
}

std::string legend() {
    std::string result;
    int x = label_width;
    for (const Party& party : parties) {
        result += "<rect x=\"" + std::to_string(x) + "\" y=\"40\" width=\"12\" height=\"12\" fill=\"" +
                  std::string(party.colour) + "\"/>\n" + text_at(x + 16, 51, party.name);
        x += 100;
    }
    return result;
}

} // namespace

std::string to_svg(const BenchResult& result) {
    std::string body = text_at(20, 26, "Bulkhead " + result.version + " on " + result.machine + ", and its peers",
                               "font-size=\"18\" font-weight=\"bold\"") +
                       legend();
    int y = top;
    for (const PeerFigures& peer : peers()) {
        const Figure* ours = find_figure(result.figures, peer.name);
        if (ours == nullptr)
            continue;
        body += text_at(20, y + bar_height - 3, ours->what);
        const std::array<std::optional<double>, parties.size()> values{static_cast<double>(ours->value), peer.jailhouse,
                                                                       peer.kvm, peer.xen_pvh, peer.xen_hvm};
        for (std::size_t i = 0; i < parties.size(); ++i) {
            if (!values[i])
                continue;
            body += bar(y, parties[i], *values[i]);
            y += bar_height;
        }
        y += gap;
    }
    const std::string size = std::to_string(width) + "\" height=\"" + std::to_string(y + gap);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size +
           "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
           body + "</svg>\n";
}

} // namespace bulkhead::tools
