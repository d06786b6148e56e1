// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/gdb.hpp"

#include <array>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include "integration/monitor.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

constexpr std::string_view socket_name = "gdb.sock";
constexpr std::size_t rip_digits = 16 * 16; ///< behind the general registers of 8 bytes

std::string hexadecimal(u64 value) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%llx", static_cast<unsigned long long>(value));
    return text.data();
}

/// The bytes of a number, the lowest first.
std::string digits_of(u64 value, unsigned bytes) {
    std::string text;
    for (unsigned i = 0; i < bytes; ++i) {
        const std::string byte = hexadecimal(value >> 8 * i & 0xff);
        text += (byte.size() == 1 ? "0" : "") + byte;
    }
    return text;
}

u64 number_in(const std::string& digits) {
    u64 value = 0;
    for (std::size_t i = 0; i + 1 < digits.size() && i < 16; i += 2)
        value |= std::stoull(digits.substr(i, 2), nullptr, 16) << 4 * i;
    return value;
}

} // namespace

Gdb::Gdb(const std::filesystem::path& folder) {
    static_cast<void>(Monitor(folder).ask("gdbserver unix:" + std::string(socket_name) + ",server=on,wait=off"));
    connection_ = connect_to(folder, socket_name);
    static_cast<void>(ask("?"));
    require_ok("Qqemu.sstep=1"); // interrupts are taken between steps as between any two instructions
}

Gdb::~Gdb() {
    try {
        static_cast<void>(ask("D"));
    } catch (const tools::Failure&) { // it is gone
    }
}

void Gdb::select(unsigned thread) { require_ok("Hg" + hexadecimal(thread)); }

u64 Gdb::rip() { return number_in(ask("g").substr(rip_digits, 16)); }

void Gdb::set_rip(u64 value) { require_ok("G" + ask("g").replace(rip_digits, 16, digits_of(value, 8))); }

u64 Gdb::read_u64(u64 address) {
    const std::string digits = ask("m" + hexadecimal(address) + ",8");
    if (digits.size() != 16)
        throw tools::Failure("QEMU reads nothing at 0x" + hexadecimal(address));
    return number_in(digits);
}

void Gdb::write_u64(u64 address, u64 value) { require_ok("M" + hexadecimal(address) + ",8:" + digits_of(value, 8)); }

void Gdb::write_physical(u64 address, u32 value) {
    require_ok("Qqemu.PhyMemMode:1");
    require_ok("M" + hexadecimal(address) + ",4:" + digits_of(value, 4));
    require_ok("Qqemu.PhyMemMode:0");
}

void Gdb::set_breakpoint(u64 address, bool on) {
    require_ok(std::string(on ? "Z" : "z") + "0," + hexadecimal(address) + ",1");
}

void Gdb::step(unsigned thread) {
    send("vCont;s:" + hexadecimal(thread));
    static_cast<void>(wait_for_stop());
}

unsigned Gdb::run() {
    send("vCont;c");
    return wait_for_stop();
}

unsigned Gdb::run_alone(unsigned thread) {
    send("vCont;c:" + hexadecimal(thread));
    return wait_for_stop();
}

std::string Gdb::ask(std::string_view packet) {
    send(packet);
    return receive();
}

void Gdb::require_ok(std::string_view packet) {
    if (const std::string answer = ask(packet); answer != "OK")
        throw tools::Failure("QEMU answers '" + answer + "' to " + std::string(packet.substr(0, 40)));
}

void Gdb::send(std::string_view packet) {
    unsigned sum = 0;
    for (const char each : packet)
        sum += static_cast<unsigned char>(each);
    const std::string bytes = '$' + std::string(packet) + '#' + digits_of(sum & 0xff, 1);
    if (::write(connection_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        throw tools::Failure("QEMU takes no packet");
}

/// A packet, without its frame. It is acknowledged; acknowledgements of ours are skipped.
std::string Gdb::receive() {
    for (;;) {
        const std::size_t start = received_.find('$');
        const std::size_t end = received_.find('#', start);
        if (start != std::string::npos && end != std::string::npos && received_.size() >= end + 3) {
            const std::string packet = received_.substr(start + 1, end - start - 1);
            received_.erase(0, end + 3);
            static_cast<void>(!::write(connection_.get(), "+", 1));
            return packet;
        }
        received_ += read_from_emulator(connection_, "QEMU's stub for gdb");
    }
}

unsigned Gdb::wait_for_stop() {
    const std::string packet = receive();
    const std::size_t thread = packet.find("thread:");
    if (!packet.starts_with("T") || thread == std::string::npos)
        throw tools::Failure("QEMU stops with " + packet);
    return static_cast<unsigned>(std::stoul(packet.substr(thread + 7), nullptr, 16));
}

u64 address_in(const std::filesystem::path& path, std::string_view symbol, std::string_view bytes) {
    std::ifstream file(tools::build_folder() / path, std::ios::binary);
    const std::string elf(std::istreambuf_iterator<char>(file), {});
    const auto read = [&](auto& into, u64 offset) {
        if (offset > elf.size() || sizeof into > elf.size() - offset)
            throw tools::Failure(path.string() + " is cut off");
        std::memcpy(&into, &elf[offset], sizeof into);
    };
    Elf64_Ehdr header{};
    read(header, 0);
    std::vector<Elf64_Shdr> sections(header.e_shnum);
    for (std::size_t i = 0; i < sections.size(); ++i)
        read(sections[i], header.e_shoff + i * sizeof(Elf64_Shdr));
    for (const Elf64_Shdr& table : sections) {
        for (u64 at = 0; table.sh_type == SHT_SYMTAB && at < table.sh_size; at += sizeof(Elf64_Sym)) {
            Elf64_Sym entry{};
            read(entry, table.sh_offset + at);
            if (entry.st_shndx >= sections.size() ||
                symbol != elf.c_str() + sections[table.sh_link].sh_offset + entry.st_name)
                continue;
            const Elf64_Shdr& section = sections[entry.st_shndx];
            const u64 start = section.sh_offset + entry.st_value - section.sh_addr;
            const u64 found = elf.find(bytes, start);
            if (found != std::string::npos)
                return entry.st_value + (found - start);
        }
    }
    throw tools::Failure(path.string() + " has no " + std::string(symbol));
}

} // namespace bulkhead::integration
