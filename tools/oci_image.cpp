// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/oci_image.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/failure.hpp"
#include "tools/file_digest.hpp"

namespace bulkhead::tools {
namespace {

using Json = nlohmann::json;

constexpr unsigned deepest_index = 4;
constexpr std::string_view tag_annotation = "org.opencontainers.image.ref.name";

Json read_json(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Failure("cannot read '" + path.string() + "'");
    Json json = Json::parse(file, nullptr, false);
    if (!json.is_object())
        throw Failure("'" + path.string() + "' is not what it should be: a JSON object");
    return json;
}

/// What a program is started with ends at the first zero: none may hide what is behind it.
std::string text_of(const Json& string) {
    auto text = string.get<std::string>();
    if (text.find('\0') != std::string::npos)
        throw Failure("the image has a text with a zero in it: '" + text.substr(0, text.find('\0')) + "'");
    return text;
}

std::string text_in(const Json& json, std::string_view key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? text_of(*found) : std::string();
}

/// The objects of a list; what is no object is left out.
std::vector<Json> objects_in(const Json& json, std::string_view key) {
    std::vector<Json> objects;
    if (const auto found = json.find(key); found != json.end() && found->is_array())
        std::ranges::copy_if(*found, std::back_inserter(objects), [](const Json& item) { return item.is_object(); });
    return objects;
}

/// Nothing where there is no such key, or it is null.
std::vector<std::string> texts_in(const Json& json, const std::string& key) {
    std::vector<std::string> texts;
    const auto found = json.find(key);
    if (found == json.end() || found->is_null())
        return texts;
    const auto is_text = [](const Json& item) { return item.is_string(); };
    if (!found->is_array() || !std::ranges::all_of(*found, is_text))
        throw Failure("the image's configuration has '" + key + "', which is no list of texts");
    for (const Json& item : *found)
        texts.push_back(text_of(item));
    return texts;
}

/// The file that a descriptor names, whose digest is right.
std::filesystem::path blob_of(const std::filesystem::path& layout, const Json& descriptor) {
    constexpr std::string_view algorithm = "sha256:";
    const std::string digest = text_in(descriptor, "digest");
    const std::string hex = digest.starts_with(algorithm) ? digest.substr(algorithm.size()) : std::string();
    if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos)
        throw Failure("the image has a digest that is none of SHA-256: '" + digest + "'");
    const std::filesystem::path path = layout / "blobs/sha256" / hex;
    if (!std::filesystem::is_regular_file(path))
        throw Failure("the image lacks its part '" + path.string() + "'");
    if (sha256_of_file(path) != hex)
        throw Failure("'" + path.string() + "' has another digest than its name says: it is damaged");
    return path;
}

bool is_linux_on_amd64(const Json& platform) {
    return text_in(platform, "os") == "linux" && text_in(platform, "architecture") == "amd64";
}

bool is_for_this_machine(const Json& descriptor) {
    const auto platform = descriptor.find("platform");
    return platform == descriptor.end() || !platform->is_object() || is_linux_on_amd64(*platform);
}

/// What an index need not say the image's own configuration does.
bool has_program_for_this_machine(const std::filesystem::path& layout, const Json& descriptor) {
    const Json manifest = read_json(blob_of(layout, descriptor));
    const auto config = manifest.find("config");
    if (config == manifest.end() || !config->is_object())
        return true; // another index
    const Json description = read_json(blob_of(layout, *config));
    return text_in(description, "architecture").empty() || is_linux_on_amd64(description);
}

std::string tag_of(const Json& descriptor) {
    const auto annotations = descriptor.find("annotations");
    return annotations != descriptor.end() && annotations->is_object() ? text_in(*annotations, tag_annotation) : "";
}

bool has_tag(const Json& descriptor, std::string_view tag) { return tag.empty() || tag_of(descriptor) == tag; }

/// Of those that are left the ones for every amd64, if there are such, and the same image once.
void keep_plainest(std::vector<Json>& candidates) {
    const auto is_plain = [](const Json& item) {
        const auto platform = item.find("platform");
        return platform == item.end() || !platform->is_object() || text_in(*platform, "variant").empty();
    };
    if (std::ranges::any_of(candidates, is_plain))
        std::erase_if(candidates, [&](const Json& item) { return !is_plain(item); });
    std::set<std::string> known;
    std::erase_if(candidates, [&](const Json& item) { return !known.insert(text_in(item, "digest")).second; });
}

/// Indexes may name indexes.
Json find_manifest(const std::filesystem::path& layout, const Json& index, std::string_view tag, unsigned depth) {
    std::vector<Json> candidates = objects_in(index, "manifests");
    std::erase_if(candidates, [&](const Json& item) { return !is_for_this_machine(item) || !has_tag(item, tag); });
    if (candidates.size() > 1)
        std::erase_if(candidates, [&](const Json& item) { return !has_program_for_this_machine(layout, item); });
    if (candidates.empty())
        throw Failure("'" + layout.string() + "' has no image for linux/amd64" +
                      (tag.empty() ? std::string() : " with the tag '" + std::string(tag) + "'"));
    keep_plainest(candidates);
    if (candidates.size() > 1) {
        std::string tags;
        for (const Json& each : candidates)
            if (const std::string name = tag_of(each); !name.empty())
                tags += (tags.empty() ? ": " : ", ") + name;
        throw Failure("'" + layout.string() + "' has " + std::to_string(candidates.size()) +
                      " images for linux/amd64: say which one by --tag" + tags);
    }
    Json found = read_json(blob_of(layout, candidates.front()));
    if (!found.contains("manifests"))
        return found;
    if (depth == 0)
        throw Failure("'" + layout.string() + "' has indexes in indexes without end");
    return find_manifest(layout, found, "", depth - 1);
}

StartOfProgram start_of(const Json& image) {
    StartOfProgram start;
    const auto config = image.find("config");
    if (config == image.end() || !config->is_object())
        return start;
    start.arguments = texts_in(*config, "Entrypoint");
    const std::vector<std::string> words = texts_in(*config, "Cmd");
    start.arguments.insert(start.arguments.end(), words.begin(), words.end());
    start.environment = texts_in(*config, "Env");
    start.user = text_in(*config, "User");
    if (const std::string folder = text_in(*config, "WorkingDir"); !folder.empty())
        start.folder = folder;
    return start;
}

} // namespace

OciImage read_oci_image(const std::filesystem::path& layout, std::string_view tag) {
    const Json manifest = find_manifest(layout, read_json(layout / "index.json"), tag, deepest_index);
    const auto config = manifest.find("config");
    if (config == manifest.end() || !config->is_object())
        throw Failure("the image in '" + layout.string() + "' has no configuration");
    const Json description = read_json(blob_of(layout, *config));
    for (const auto& [key, wanted] : {std::pair{"os", "linux"}, std::pair{"architecture", "amd64"}})
        if (const std::string is = text_in(description, key); !is.empty() && is != wanted)
            throw Failure("the image in '" + layout.string() + "' is for " + is + ", and not for linux/amd64");
    OciImage image;
    image.start = start_of(description);
    std::uint64_t room = most_unpacked;
    for (const Json& layer : objects_in(manifest, "layers"))
        add_layer(image.root, blob_of(layout, layer), "the layer " + text_in(layer, "digest"), room);
    if (image.root.size() == 0)
        throw Failure("the image in '" + layout.string() + "' is empty");
    return image;
}

} // namespace bulkhead::tools
