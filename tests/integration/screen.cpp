// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/screen.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include "font.hpp"
#include "integration/monitor.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

constexpr unsigned letter_width = 8, letter_height = 16;
constexpr unsigned width_to_magnify = 1280; // boot/open_screen.cpp

struct Picture {
    unsigned width = 0;
    unsigned height = 0;
    std::string bytes; ///< red, green and blue of each pixel
    [[nodiscard]] bool is_light(unsigned x, unsigned y) const {
        return static_cast<unsigned char>(bytes.at(3 * (std::size_t{y} * width + x) + 1)) >= 0x80;
    }
};

Picture read_picture(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string magic;
    unsigned largest = 0;
    Picture picture;
    in >> magic >> picture.width >> picture.height >> largest;
    if (!in || magic != "P6" || largest != 255)
        throw tools::Failure("there is no picture " + file.string());
    in.get();
    picture.bytes.resize(std::size_t{3} * picture.width * picture.height);
    in.read(picture.bytes.data(), static_cast<std::streamsize>(picture.bytes.size()));
    return picture;
}

using Letter = std::string; // its rows of pixels, as in the font

std::map<Letter, char> known_letters() {
    constexpr unsigned header = 4;
    std::map<Letter, char> all;
    for (char c = ' '; c <= '~'; ++c)
        all[Letter(reinterpret_cast<const char*>(&console_font[header + static_cast<unsigned>(c) * letter_height]),
                   letter_height)] = c;
    return all;
}

char letter_at(const Picture& picture, unsigned row, unsigned column, unsigned scale) {
    static const std::map<Letter, char> known = known_letters();
    Letter letter(letter_height, 0), inverse;
    for (unsigned y = 0; y < letter_height; ++y)
        for (unsigned x = 0; x < letter_width; ++x)
            if (picture.is_light((column * letter_width + x) * scale, (row * letter_height + y) * scale))
                letter[y] = static_cast<char>(letter[y] | 0x80 >> x);
    std::ranges::transform(letter, std::back_inserter(inverse), [](char bits) { return static_cast<char>(~bits); });
    for (const Letter& each : {letter, inverse})
        if (const auto found = known.find(each); found != known.end())
            return found->second;
    return '\x7f';
}

} // namespace

void photograph(const std::filesystem::path& folder, const std::string& name) {
    static_cast<void>(Monitor(folder).ask("screendump " + name + ".ppm"));
}

std::vector<std::string> text_of(const std::filesystem::path& picture_file) {
    const Picture picture = read_picture(picture_file);
    const unsigned scale = std::max(1u, picture.width / width_to_magnify);
    std::vector<std::string> lines;
    for (unsigned row = 0; row < picture.height / scale / letter_height; ++row) {
        std::string line;
        for (unsigned column = 0; column < picture.width / scale / letter_width; ++column)
            line += letter_at(picture, row, column, scale);
        line.resize(line.find_last_not_of(' ') + 1);
        lines.push_back(line);
    }
    return lines;
}

} // namespace bulkhead::integration
