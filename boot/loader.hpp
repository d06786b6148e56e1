// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The loader's stages and what they leave for each other.
#pragma once

#include <array>

#include "base/static_vector.hpp"
#include "boot/arena.hpp"
#include "boot/elf.hpp"
#include "boot/files.hpp"
#include "boot/firmware.hpp"
#include "boot/guest/start.hpp"
#include "boot/machine.hpp"
#include "boot/memory.hpp"
#include "boot/variables.hpp"
#include "config/load.hpp"
#include "drivers/screen.hpp"

namespace bulkhead::boot {

/// A file that a guest, or several, is made of.
struct FileInMemory {
    std::string_view path;
    std::span<u8> bytes;
};

class Loader {
public:
    explicit Loader(const Firmware& firmware)
        : firmware_(firmware), memory_(firmware), volume_(firmware), variables_(firmware), last_(variables_),
          loaded_(storage_) {}
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;

    /// Everything up to a complete BootInfo. Boot services still run, and nothing was done that cannot be left.
    /// Faults of the configuration have been printed; they are an error with their number in `value`.
    /// `waited`: ticks since `start_tsc` in which hardware was waited for.
    [[nodiscard]] Result<void> load(u64 start_tsc, u64 waited);

    /// Ends boot services, silences the machine and jumps. Stops the machine where that fails.
    [[noreturn]] void leave();

    /// True if the error of load() is that there is no configuration, or one that asks for an inventory.
    [[nodiscard]] bool wants_inventory() const { return wants_inventory_; }

    /// True if another configuration than this one has worked: the next boot may use it.
    [[nodiscard]] bool can_fall_back() { return !last_.other_than(text_).empty(); }
    [[nodiscard]] std::string_view configuration_name() const { return configuration_file_; }
    /// Whether that is no file, but what the firmware's variables had.
    [[nodiscard]] bool is_fallback() const { return is_fallback_; }

    /// True if the error of load() is that the configuration has faults.
    [[nodiscard]] bool configuration_is_faulty() const { return !loaded_.diagnostics.empty(); }

private:
    static constexpr u64 stages_of_leaving = 2;
    void begin_stage(std::string_view name);

    // loader.cpp: the stages of load(), in this order
    Result<void> look_at_machine();
    Result<void> read_configuration();
    Result<void> read_text();
    [[nodiscard]] bool lacks_configuration();
    Result<void> parse_configuration();
    Result<void> take_own_memory();
    void take_journal();
    Result<void> take_file_memory();
    Result<void> place_guests();
    Result<void> read_files();
    void verify_files(); // verify_files.cpp
    Result<void> make_guests();
    Result<void> hash_guests();
    Result<void> load_hypervisor();

    [[nodiscard]] Result<Machine> machine_for_guests();
    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] const FileInMemory* find_file(std::string_view path) const;
    [[nodiscard]] std::span<const u8> bytes_of(std::string_view path) const;
    [[nodiscard]] bool is_wanted_file(const GuestConfig& guest, const GuestFile& file) const;
    [[nodiscard]] u64 room_to_make(const GuestConfig& guest) const;
    void keep_listed_memory_free();
    Result<void> take_memory_of(std::string_view path);
    Result<void> take_memory_of(const GuestConfig& guest);
    Result<void> take_memory_to_make_guests();
    [[nodiscard]] Result<void> refuse_configuration() const;
    Result<void> parse(std::string_view text);
    Result<void> fall_back(std::string_view text, std::string_view reason);
    void begin_attempt();
    void print_plan() const;

    // boot_info.cpp
    Result<void> fill_boot_info();
    void lay_out(Arena& arena);
    void lay_out_guests(Arena& arena);
    static void lay_out_start(Arena& arena, const Result<GuestStart>& start, GuestInfo& guest);
    Result<void> map_image();

    // leave.cpp
    Result<void> exit_boot_services();
    void take_screen();
    void put_on_screen(std::string_view text);
    Result<void> take_clocks();
    void make_vcpus();

    const Firmware& firmware_;
    FirmwareMemory memory_;
    Volume volume_;
    MachineFacts machine_;
    LoaderTimes times_;
    BootStages stages_;

    bool wants_inventory_ = false;
    std::string_view configuration_file_; ///< its name
    bool is_fallback_ = false;
    Result<void> readable_;               ///< read_text()'s
    std::string_view text_;               ///< of the configuration
    Variables variables_;
    LastConfiguration<Variables> last_;
    ConfigurationStorage storage_;
    LoadedConfiguration loaded_;
    StaticVector<FileInMemory, 4 * max_guests> files_; ///< each path once
    PhysicalRange made_;                               ///< what of guests' memory at their start is in no file
    StaticVector<Result<GuestStart>, max_guests> starts_;
    std::array<bool, max_guests> has_wrong_file_{};
    std::array<u64, max_guests> hashes_{}; ///< GuestInfo::hash

    ElfImage elf_;
    PhysicalRange image_;
    PhysicalRange pool_;
    std::span<JournalEntry> journal_;
    std::array<JournalEntry, 256> records_{}; ///< of the boot before,
    u64 record_count_ = 0;                    ///< so many
    HostPhysical trampoline_;

    PhysicalRange handoff_;
    BootInfo* info_ = nullptr;
    std::span<MemoryRange> memory_map_;
    std::span<drivers::Screen> screen_; ///< empty: there is none, or it is not to be used
    std::span<u64> page_tables_;        ///< the first is the root
};

} // namespace bulkhead::boot
