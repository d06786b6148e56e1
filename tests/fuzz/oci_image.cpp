// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any JSON as the index, the manifest and the configuration of a container image: it is refused, or its program can be
// started, with words that hold no zeros.
#include <fstream>
#include <unistd.h>

#include "config/sha256.hpp"
#include "fuzz/fuzz.hpp"
#include "tools/failure.hpp"
#include "tools/oci_image.hpp"

namespace bulkhead {
namespace {

namespace fs = std::filesystem;

/// One for all runs, in memory where there is such a folder.
struct Layout {
    fs::path root = (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                    ("fuzz-oci-image-" + std::to_string(getpid()));
    Layout() { fs::create_directories(root / "blobs/sha256"); }
    ~Layout() { fs::remove_all(root); }
    static void write(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }
    /// Returns its descriptor.
    std::string add(std::string_view text) {
        const Sha256::Digest digest = sha256({reinterpret_cast<const u8*>(text.data()), text.size()});
        std::string hex;
        for (const u8 byte : digest)
            hex += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
        blobs.push_back(root / "blobs/sha256" / hex);
        write(blobs.back(), text);
        return R"({"digest":"sha256:)" + hex + "\"}";
    }
    void clear() {
        for (const fs::path& blob : blobs)
            fs::remove(blob);
        blobs.clear();
    }
    std::vector<fs::path> blobs;
};

std::string replaced(std::string text, std::string_view from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

} // namespace

void fuzz::try_input(Bytes input) {
    static Layout layout;
    static const std::string layer = [] { // a tar archive of one empty file
        std::string header(1536, '\0');
        for (const auto& [at, text] : {std::pair(0, "a"), {100, "0000644"}, {124, "00000000000"}, {257, "ustar"}})
            std::string_view(text).copy(&header[static_cast<std::size_t>(at)], 11);
        header.replace(148, 8, 8, ' ');
        header.replace(263, 2, "00");
        unsigned sum = 0;
        for (const char c : header)
            sum += static_cast<unsigned char>(c);
        std::snprintf(&header[148], 8, "%06o", sum);
        return header;
    }();
    const std::string_view text = text_of(input);
    const std::size_t first = std::min(text.find('\n'), text.size());
    const std::size_t second = std::min(text.find('\n', std::min(first + 1, text.size())), text.size());
    const auto part = [&](std::size_t begin, std::size_t end) {
        return std::string(begin < end ? text.substr(begin, end - begin) : std::string_view());
    };
    // A manifest and an index name blobs by their digests: "@" stands for that of the part before.
    const std::string config = layout.add(part(0, first));
    const std::string empty = layout.add(layer);
    const std::string manifest = layout.add(replaced(replaced(part(first + 1, second), "@", config), "#", empty));
    Layout::write(layout.root / "index.json", replaced(part(second + 1, text.size()), "@", manifest));
    try {
        const tools::OciImage image = tools::read_oci_image(layout.root, "");
        for (const auto& words : {image.start.arguments, image.start.environment,
                                  std::vector<std::string>{image.start.folder, image.start.user}})
            for (const std::string& word : words)
                require(word.find('\0') == std::string::npos, "a word with a zero in it");
    } catch (const tools::Failure&) {
    }
    layout.clear();
}

std::vector<fuzz::Seed> fuzz::seeds() {
    constexpr std::string_view config =
        R"({"architecture":"amd64","config":{"Entrypoint":["/bin/sh"],"Cmd":["x"],"Env":["A=b"],"WorkingDir":"/","User":"1:2"}})";
    constexpr std::string_view manifest = R"({"config":@,"layers":[#]})";
    constexpr std::string_view index = R"({"manifests":[@]})";
    const std::string all = std::string(config) + '\n' + std::string(manifest) + '\n' + std::string(index);
    return {seed_of(all), seed_of(replaced(all, "A=b", "A\\u0000=b"))};
}

} // namespace bulkhead
