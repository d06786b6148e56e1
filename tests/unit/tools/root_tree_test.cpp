// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Root file systems out of layers that nobody trusts.
#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

#include "tools/failure.hpp"
#include "tools/linux_guest.hpp"
#include "tools/oci_image.hpp"

namespace bulkhead::tools {
namespace {

/// An entry of a layer; a text with "-> " is a symbolic link, with "=> " a hard link, and a name with '/' a folder.
struct Entry {
    std::string name;
    std::string text;
};

struct Layers {
    std::filesystem::path file = std::filesystem::temp_directory_path() / ("layer-" + std::to_string(getpid()));
    RootTree root;
    std::uint64_t room = most_unpacked;

    ~Layers() { std::filesystem::remove(file); }
    void add(const std::vector<Entry>& entries, bool compressed = false) {
        archive* writer = archive_write_new();
        archive_write_set_format_pax_restricted(writer);
        if (compressed)
            archive_write_add_filter_gzip(writer);
        REQUIRE(archive_write_open_filename(writer, file.c_str()) == ARCHIVE_OK);
        for (const auto& [name, text] : entries) {
            archive_entry* entry = archive_entry_new();
            archive_entry_set_pathname(entry, name.c_str());
            const bool folder = name.ends_with('/');
            archive_entry_set_mode(entry, folder ? 0040755 : 0100644);
            archive_entry_set_uid(entry, 7);
            archive_entry_set_size(entry, 0);
            if (text.starts_with("-> ")) {
                archive_entry_set_mode(entry, 0120777);
                archive_entry_set_symlink(entry, text.c_str() + 3);
            } else if (text.starts_with("=> ")) {
                archive_entry_set_hardlink(entry, text.c_str() + 3);
            } else {
                archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
            }
            REQUIRE(archive_write_header(writer, entry) == ARCHIVE_OK);
            archive_write_data(writer, text.data(), text.size());
            archive_entry_free(entry);
        }
        archive_write_free(writer);
        add_layer(root, file, "a layer", room);
    }
    std::string at(std::string_view name) const {
        const RootFile* found = root.find(name);
        return found == nullptr ? "nothing" : found->contents;
    }
    std::string refusal(const std::vector<Entry>& entries) {
        try {
            add(entries);
        } catch (const Failure& failure) {
            return failure.what();
        }
        return "";
    }
};

TEST_CASE("RootTree: a whiteout hides what layers before it brought, and only that") {
    Layers layers;
    layers.add(
        {{"etc/", ""}, {"etc/a", "1"}, {"etc/b", "1"}, {"opt/", ""}, {"opt/x", "1"}, {"opt/y/", ""}, {"opt/y/z", "1"}});
    layers.add({{"etc/b2", "2"}, {"etc/.wh.a", ""}, {"opt/y/w", "2"}, {"opt/.wh..wh..opq", ""}, {"opt/v", "2"}}, true);
    CHECK(layers.at("etc/a") == "nothing");
    CHECK(layers.at("etc/b") == "1");
    CHECK(layers.at("etc/b2") == "2");
    CHECK(layers.at("opt/x") == "nothing");
    CHECK(layers.at("opt/y/z") == "nothing");
    CHECK(layers.at("opt/y/w") == "2"); // of the whiteout's own layer, whatever the order
    CHECK(layers.at("opt/v") == "2");
    layers.add({{"opt/.hidden", "3"}, {"opt/.wh..", ""}}); // that is the folder itself, which no whiteout names
    CHECK(layers.at("opt/v") == "2");
    layers.add({{"opt/.wh..hidden", ""}});
    CHECK(layers.at("opt/.hidden") == "nothing");
    layers.add({{".wh.opt", ""}, {".wh.none", ""}});
    CHECK(layers.at("opt") == "nothing");
    CHECK(layers.at("opt/v") == "nothing");
    layers.add({{"opt/v", "4"}, {".wh.opt", ""}});
    CHECK(layers.at("opt/v") == "4");
    CHECK(layers.root.find("opt")->is_folder());
}

TEST_CASE("RootTree: a name never leaves the root") {
    Layers layers;
    CHECK(layers.refusal({{"../x", "1"}}) == "the file name '../x' leaves the root file system");
    CHECK(layers.refusal({{"a/../../x", "1"}}).contains("leaves the root"));
    CHECK(layers.refusal({{"x", "=> ../../etc/passwd"}}).contains("leaves the root"));
    CHECK(layers.refusal({{"a/.wh...", ""}}).contains("leaves the root"));
    CHECK(layers.refusal({{"x", "=> none"}}).contains("no file that there is"));
    layers.add({{"/absolute", "1"}, {"./dot", "1"}, {"//two//slashes", "1"}});
    CHECK(layers.at("absolute") == "1");
    CHECK(layers.at("dot") == "1");
    CHECK(layers.at("two/slashes") == "1");
    // Links lead inside, wherever they point to.
    layers.add({{"out", "-> /../../../etc"}, {"out/passwd", "mine"}, {"up", "-> ../../.."}, {"up/here", "1"}});
    CHECK(layers.at("etc/passwd") == "mine");
    CHECK(layers.at("here") == "1");
    CHECK(layers.refusal({{"loop", "-> loop"}, {"loop/x", "1"}}).contains("too many symbolic links"));
    CHECK(layers.refusal({{"dot/x", "1"}}).contains("is in something that is no folder"));
}

TEST_CASE("RootTree: a name that comes again replaces what it was") {
    Layers layers;
    layers.add({{"a/", ""}, {"a/x", "1"}, {"b", "1"}, {"c", "-> b"}});
    layers.add({{"a", "file"}, {"b/", ""}, {"b/y", "2"}, {"c", "2"}});
    CHECK(layers.at("a") == "file");
    CHECK(layers.at("a/x") == "nothing");
    CHECK(layers.at("b/y") == "2");
    CHECK(layers.at("c") == "2");
    layers.add({{"b/", ""}});
    CHECK(layers.at("b/y") == "2"); // a folder again: what is in it stays
}

TEST_CASE("RootTree: an initrd has every name once, sorted, with hard links and owners, and the same bytes each time") {
    Layers layers;
    layers.add({{"b", "contents"}, {"a", "=> b"}, {"d/e/f", "deep"}, {"link", "-> b"}});
    Layers other;
    other.add({{"link", "-> b"}, {"d/e/f", "deep"}, {"b", "contents"}, {"a", "=> b"}});
    const std::string cpio = layers.root.to_cpio(5);
    CHECK(cpio == other.root.to_cpio(5));
    CHECK(cpio != layers.root.to_cpio(6));
    std::vector<std::string> names;
    std::vector<std::string> inodes;
    for (std::size_t at = 0; at < cpio.size();) {
        const auto field = [&](std::size_t i) { return std::stoul(cpio.substr(at + 6 + 8 * i, 8), nullptr, 16); };
        const std::size_t name_end = at + 110 + field(11);
        names.push_back(cpio.substr(at + 110, field(11) - 1));
        inodes.push_back(cpio.substr(at + 6, 8));
        if (names.back() == "a" || names.back() == "b") {
            CHECK(field(4) == 2);
            CHECK(field(2) == 7);
            CHECK(field(6) == (names.back() == "b" ? 8 : 0)); // the last name has the contents
        }
        at = (((name_end + 3) & ~std::size_t{3}) + field(6) + 3) & ~std::size_t{3};
    }
    CHECK(names == std::vector<std::string>{".", "a", "b", "d", "d/e", "d/e/f", "link", "TRAILER!!!"});
    CHECK(inodes[1] == inodes[2]);
    CHECK(inodes[3] != inodes[2]);
}

TEST_CASE("RootTree: a layer that unpacks to too much is refused before it has") {
    Layers layers;
    layers.room = 10'000;
    layers.add({{"small", std::string(1000, 'x')}}, true);
    CHECK(layers.room == 10'000 - 1000 - 512 - 5);
    CHECK(layers.refusal({{"large", std::string(100'000, 'x')}}).contains("unpacks to more"));
    const std::vector<Entry> many(100, Entry{"n", ""});
    CHECK(layers.refusal(many).contains("unpacks to more"));
}

TEST_CASE("RootTree: what is only warned of is taken") {
    Layers layers;
    std::string header(512, '\0'); // ustar, with a pax header before it whose number makes no sense
    const auto put = [&](std::size_t at, std::string_view text) { text.copy(&header[at], text.size()); };
    const auto finish = [&] {
        header.replace(148, 8, 8, ' ');
        unsigned sum = 0;
        for (const char c : header)
            sum += static_cast<unsigned char>(c);
        std::snprintf(&header[148], 8, "%06o", sum);
    };
    const auto begin = [&](std::string_view name, std::string_view size, char type) {
        header.assign(512, '\0');
        put(0, name);
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, size);
        put(136, "00000000000");
        header[156] = type;
        put(257, std::string_view("ustar\00000", 8));
        finish();
        return header;
    };
    std::string record = "18 path=bad\xff\xfename\n"; // no UTF-8
    REQUIRE(record.size() == 18);
    std::string file = begin("pax", "00000000022", 'x') + record;
    file.resize(1024);
    file += begin("other", "00000000003", '0') + "abc";
    file.resize(4096);
    std::ofstream(layers.file, std::ios::binary) << file;
    add_layer(layers.root, layers.file, "a layer", layers.room);
    CHECK(layers.root.size() == 1);
    CHECK(layers.at("bad\xff\xfename") == "abc");
}

TEST_CASE("RootTree: a file with the name of the archive's end does not end it") {
    Layers layers;
    layers.add({{"TRAILER!!!", "1"}, {"behind", "2"}});
    const std::string cpio = layers.root.to_cpio(0);
    CHECK(cpio.find(std::string_view("./TRAILER!!!\0", 13)) != std::string::npos);
    CHECK(cpio.find("TRAILER!!!") != cpio.rfind("TRAILER!!!"));
    CHECK(cpio.find("behind") < cpio.rfind("TRAILER!!!"));
}

TEST_CASE("RootTree: a damaged layer is refused") {
    Layers layers;
    std::ofstream(layers.file) << std::string(2000, 'x');
    CHECK_THROWS_AS(add_layer(layers.root, layers.file, "a layer", layers.room), Failure);
    CHECK_THROWS_AS(add_layer(layers.root, "/nonexistent", "a layer", layers.room), Failure);
}

TEST_CASE("Linux guest: a user is a name or a number of the image's own tables") {
    Layers layers;
    layers.add({{"etc/passwd", "root:x:0:0::/:\nbroken\napp:x:1000:1001::/srv:\n"},
                {"etc/group", "root:x:0:\nstaff:x:50:app,other\napp:x:1001:\n"}});
    const auto numbers = [&](const std::string& user) {
        const UserNumbers found = find_user(layers.root, user);
        return std::to_string(found.uid) + ":" + std::to_string(found.gid) + "+" + std::to_string(found.groups.size());
    };
    CHECK(numbers("") == "0:0+0");
    CHECK(numbers("app") == "1000:1001+1");
    CHECK(numbers("1000") == "1000:1001+1");
    CHECK(numbers("app:staff") == "1000:50+0");
    CHECK(numbers("4:5") == "4:5+0");
    CHECK(find_user(layers.root, "1000").home == "/srv");
    CHECK(find_user(layers.root, "4").home == "/");
    CHECK(numbers("4") == "4:0+0");
    CHECK_THROWS_AS(numbers("nobody"), Failure);
    CHECK_THROWS_AS(numbers("app:nobody"), Failure);
    CHECK_THROWS_AS(numbers("99999999999"), Failure);
}

} // namespace
} // namespace bulkhead::tools
