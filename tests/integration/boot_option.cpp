// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/boot_option.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "tools/failure.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

template <typename T> void put(std::string& to, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
        to += static_cast<char>(value >> (8 * i));
}

std::string utf16(std::string_view text) {
    std::string result;
    for (const char c : text)
        put(result, static_cast<std::uint16_t>(c));
    put(result, std::uint16_t{0});
    return result;
}

/// UEFI 2.10 10.3.1.
std::string node(unsigned type, unsigned sub_type, std::string_view contents) {
    std::string result{static_cast<char>(type), static_cast<char>(sub_type)};
    put(result, static_cast<std::uint16_t>(4 + contents.size()));
    return result.append(contents);
}

/// PciRoot(0)/Pci(2,0)/MAC(525400123456,1)/IPv4(0.0.0.0)/Uri(...): UEFI 2.10 10.3.3.1, 10.3.2.1, 10.3.4.11, .12, .23.
std::string network_path(std::string_view uri) {
    std::string root;
    put(root, std::uint32_t{0x0a03'41d0}); // PNP0A03
    put(root, std::uint32_t{0});
    std::string card("\x52\x54\x00\x12\x34\x56", 6);
    card.resize(32);
    card += '\x01'; // Ethernet
    return node(2, 1, root) + node(1, 1, std::string_view("\x00\x02", 2)) + node(3, 11, card) +
           node(3, 12, std::string(23, '\0')) + node(3, 24, uri) + node(0x7f, 0xff, "");
}

/// UEFI 2.10 3.1.3.
std::string load_option(std::string_view path) {
    std::string option;
    put(option, std::uint32_t{1}); // LOAD_OPTION_ACTIVE
    put(option, static_cast<std::uint16_t>(path.size()));
    return option.append(utf16("by HTTP")).append(path);
}

/// As EDK II keeps it in flash memory: MdeModulePkg/Include/Guid/VariableFormat.h, AUTHENTICATED_VARIABLE_HEADER.
std::string variable(std::string_view name, std::string_view data) {
    constexpr std::array<unsigned char, 16> global{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                                   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
    const std::string text = utf16(name);
    std::string bytes;
    put(bytes, std::uint16_t{0x55aa});
    put(bytes, std::uint16_t{0x3f});                // it is there
    put(bytes, std::uint32_t{7});                   // non-volatile, for boot services and at run time
    bytes.append(sizeof(std::uint64_t) + 20, '\0'); // not authenticated
    put(bytes, static_cast<std::uint32_t>(text.size()));
    put(bytes, static_cast<std::uint32_t>(data.size()));
    bytes.append(global.begin(), global.end()).append(text).append(data);
    constexpr std::size_t alignment = 4;
    bytes.append((alignment - bytes.size() % alignment) % alignment, '\xff');
    return bytes;
}

} // namespace

void write_variables_that_boot_from(const std::filesystem::path& variables, std::string_view uri) {
    std::ifstream empty(tools::toolbox_folder() / "usr/share/OVMF/OVMF_VARS_4M.fd", std::ios::binary);
    std::string flash{std::istreambuf_iterator<char>(empty), std::istreambuf_iterator<char>()};
    constexpr std::size_t begin = 0x48 + 28; // behind the headers of the volume and of the store
    const std::string added =
        variable("Boot0000", load_option(network_path(uri))) + variable("BootNext", std::string_view("\0\0", 2));
    const std::string_view room(flash.data() + begin, std::min(added.size(), flash.size() - begin));
    if (flash.size() < begin || room.find_first_not_of('\xff') != std::string_view::npos)
        throw tools::Failure("OVMF's variables are not empty, or not where they were");
    flash.replace(begin, added.size(), added);
    if (!(std::ofstream(variables, std::ios::binary) << flash << std::flush))
        throw tools::Failure("cannot write " + variables.string());
}

} // namespace bulkhead::integration
