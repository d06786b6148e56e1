// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/result.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iomanip>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr int what_width = 64, number_width = 13;

void add_number(std::ostream& out, std::optional<double> number) {
    out << std::setw(number_width);
    if (number)
        out << static_cast<long long>(*number);
    else
        out << '-';
}

std::string change_since(const Figure& figure, const std::optional<BenchResult>& earlier) {
    const Figure* before = earlier ? find_figure(earlier->figures, figure.name) : nullptr;
    if (before == nullptr)
        return earlier ? "new" : "";
    const long long change = figure.value - before->value;
    return change == 0 ? "=" : (change > 0 ? "+" : "") + std::to_string(change);
}

void add_peers(std::ostream& out, std::string_view name) {
    const auto found = std::ranges::find(peers(), name, &PeerFigures::name);
    if (found == peers().end())
        return;
    for (const std::optional<double>& each : {found->jailhouse, found->kvm, found->xen_pvh, found->xen_hvm})
        add_number(out, each);
}

/// "0.10.1" is after "0.9.2".
std::vector<int> parts_of(const std::string& version) {
    std::vector<int> parts;
    std::istringstream in(version);
    for (std::string part; std::getline(in, part, '.');)
        parts.push_back(std::atoi(part.c_str()));
    return parts;
}

} // namespace

std::string to_json(const BenchResult& result) {
    Json json;
    json["version"] = result.version;
    json["machine"] = result.machine;
    Json& figures = json["figures"] = Json::object();
    for (const Figure& figure : result.figures) {
        figures[figure.name] = {{"what", figure.what}, {"value", figure.value}};
        if (figure.has_budget())
            figures[figure.name]["budget"] = figure.budget;
    }
    return json.dump(2) + '\n';
}

BenchResult read_result(const std::filesystem::path& file) {
    std::ifstream in(file);
    const Json json = Json::parse(in, nullptr, false);
    BenchResult result;
    try {
        result.version = json.at("version");
        result.machine = json.at("machine");
        for (const auto& [name, figure] : json.at("figures").items())
            result.figures.push_back({name, figure.at("what"), figure.at("value"), figure.value("budget", 0LL),
                                      figure.contains("budget") && figure.at("budget") == 0});
    } catch (const Json::exception&) {
        throw Failure("'" + file.string() + "' is no result of bench");
    }
    return result;
}

std::optional<BenchResult> latest_result(const std::filesystem::path& folder, std::string_view machine) {
    std::optional<BenchResult> latest;
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(folder, none)) {
        if (!file.path().filename().string().ends_with("-" + std::string(machine) + ".json"))
            continue;
        BenchResult result = read_result(file.path());
        if (!latest || parts_of(latest->version) < parts_of(result.version))
            latest = std::move(result);
    }
    return latest;
}

std::string to_text(const BenchResult& result, const std::optional<BenchResult>& earlier) {
    std::ostringstream out;
    out << std::left << std::setw(what_width) << "in instructions, where nothing else is said" << std::right;
    for (const std::string& title : {std::string("on ") + result.machine, std::string("at most"),
                                     earlier ? "since " + earlier->version : std::string(), std::string("Jailhouse"),
                                     std::string("KVM"), std::string("Xen PVH"), std::string("Xen HVM")})
        out << std::setw(number_width) << title;
    out << '\n';
    for (const Figure& figure : result.figures) {
        std::ostringstream line;
        line << std::left << std::setw(what_width) << figure.what << std::right << std::setw(number_width)
             << figure.value << std::setw(number_width) << (figure.has_budget() ? std::to_string(figure.budget) : "")
             << std::setw(number_width) << change_since(figure, earlier);
        add_peers(line, figure.name);
        std::string text = line.str();
        text.resize(text.find_last_not_of(' ') + 1);
        out << text << (figure.is_over() ? "  OVER" : "") << '\n';
    }
    return out.str();
}

} // namespace bulkhead::tools
