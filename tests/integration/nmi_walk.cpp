// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/nmi_walk.hpp"

#include <cstddef>
#include <map>
#include <set>

#include "arch/x86_64/layout.hpp"
#include "base/text.hpp"
#include "core/cpu.hpp"
#include "integration/gdb.hpp"
#include "svm/vmcb.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

constexpr unsigned cpu = 1, thread = cpu + 1;

/// What is known of the way from one kind of exit to the entry.
struct Way {
    unsigned length = 0;          ///< instructions, VMRUN the last
    std::vector<u64> own;         ///< those that are on no way before
    unsigned sent = 0, taken = 0; ///< NMIs before these, and those that the handler has seen in time
};

class Walk {
public:
    explicit Walk(const std::filesystem::path& folder) : gdb_(folder) {
        gdb_.select(thread);
        gdb_.set_breakpoint(exit_, true);
    }

    std::vector<std::string> operator()() {
        learn();
        for (auto& [kind, way] : ways_)
            for (const u64 address : way.own)
                inject(way, address, kind == svm::VMEXIT_NMI);
        gdb_.set_breakpoint(exit_, false);
        return report();
    }

private:
    /// All ways, an NMI's among them.
    void learn() {
        constexpr unsigned rounds_without_news = 50;
        run_to_breakpoint();
        send_nmi();
        for (unsigned idle = 0; idle < rounds_without_news; ++idle) {
            Way& way = ways_[exit_kind()];
            if (way.length == 0) {
                learn(way);
                idle = 0;
            }
            next_exit();
        }
    }

    void learn(Way& way) {
        constexpr unsigned longest_way = 20'000;
        for (u64 at = exit_;; at = gdb_.rip()) {
            if (++way.length > longest_way)
                throw tools::Failure("the hypervisor does not find back to VMRUN");
            if (known_.insert(at).second)
                way.own.push_back(at);
            if (at == entry_)
                return;
            gdb_.step(thread);
        }
    }

    /// Sends an NMI when this address comes next, behind another NMI's exit or any. It is in time if its own exit is
    /// the next one, and the handler has run at the one behind that.
    void inject(Way& way, u64 address, bool behind_nmi) {
        if (behind_nmi)
            send_nmi();
        gdb_.set_breakpoint(exit_, false);
        gdb_.set_breakpoint(address, true);
        run_to_breakpoint();
        gdb_.set_breakpoint(address, false);
        gdb_.set_breakpoint(exit_, true);
        const u64 before = nmis_taken();
        send_nmi();
        ++way.sent;
        next_exit();
        if (nmis_taken() == before)
            next_exit();
        way.taken += nmis_taken() > before ? 1 : 0;
    }

    void next_exit() {
        gdb_.step(thread); // there may be a breakpoint
        run_to_breakpoint();
    }

    /// Other CPUs go over it.
    void run_to_breakpoint() {
        for (unsigned at = gdb_.run(); at != thread; at = gdb_.run())
            gdb_.step(at);
    }

    /// The VMCB's code with what the way depends on: the port and the direction, the MSR and an IPI's mode, the access.
    u64 exit_kind() {
        const u64 code = control(offsetof(svm::ControlArea, exitcode));
        const u64 information = control(offsetof(svm::ControlArea, exitinfo1));
        if (code == svm::VMEXIT_IOIO || code == svm::VMEXIT_NPF)
            return code | information << 16;
        if (code != svm::VMEXIT_MSR)
            return code;
        const u64 mode = gdb_.read_u64(layout::per_cpu_frames + 0x400 + offsetof(svm::SaveArea, rax)) >> 8 & 7;
        return code | (gdb_.read_u64(layout::per_cpu + 8) & 0xffff'ffff) << 12 | mode << 44 | information << 48;
    }
    u64 control(u64 field) { return gdb_.read_u64(layout::per_cpu_frames + field); }
    u64 nmis_taken() { return gdb_.read_u64(layout::per_cpu + offsetof(Cpu, nmis)); }

    /// An MSI to this CPU, as by a device: edge, physical, NMI (SDM 3A 11.11).
    void send_nmi() { gdb_.write_physical(0xfee0'0000 | cpu << 12, 4 << 8); }

    std::vector<std::string> report() const {
        std::vector<std::string> lines;
        unsigned sent = 0, taken = 0;
        for (const auto& [kind, way] : ways_) {
            Line<120> line;
            line << "exit " << Hex{kind} << ": " << way.length << " instructions, " << u64{way.own.size()}
                 << " of them new; NMIs before " << way.sent << ", taken " << way.taken;
            lines.emplace_back(line.view());
            sent += way.sent;
            taken += way.taken;
        }
        Line<120> line;
        line << "NMIs before " << sent << " of " << u64{known_.size()} << " instructions, taken " << taken;
        lines.emplace_back(line.view());
        return lines;
    }

    Gdb gdb_;
    const u64 entry_ = address_in(hypervisor_elf, "svm_enter_guest", "\x0f\x01\xd8"); // VMRUN
    const u64 exit_ = entry_ + 3;
    std::map<u64, Way> ways_;
    std::set<u64> known_; ///< instructions of all ways
};

} // namespace

std::vector<std::string> walk_with_nmi(const std::filesystem::path& folder) { return Walk(folder)(); }

} // namespace bulkhead::integration
