// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <set>

#include "arch/x86_64/layout.hpp"
#include "base/text.hpp"
#include "integration/bochs_debugger.hpp"
#include "integration/gdb.hpp"
#include "integration/nmi_walk.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

// Bochs' numbers of CPUs 1 and 2: every second one is hidden (tools/bochs.cpp).
constexpr unsigned target = 2, sender = 4;

bool is_hypervisor(u64 rip) { return rip >= layout::image; }

class Walk {
public:
    explicit Walk(const std::filesystem::path& folder) : bochs_(folder) {}

    std::vector<std::string> operator()() {
        find_sending();
        bochs_.ask("lb " + std::to_string(sending_)); // the second, behind that of the rounds
        line_up();
        learn();
        unsigned sent = 0;
        for (const u64 address : own_) {
            for (unsigned attempts = 0; attempts < 3; ++attempts) { // a round may go another way
                line_up();
                go_to(address);
                if (bochs_.rip(target) == address)
                    break;
            }
            sent += bochs_.rip(target) == address ? 1 : 0;
            bochs_.step(sender, 1);
        }
        bochs_.ask("bpd 1");
        bochs_.ask("bpd 2");
        Line<160> line;
        line << "a round: " << length_ << " instructions; NMIs before " << sent << " of " << u64{own_.size()}
             << " of the hypervisor's";
        return {std::string(line.view())};
    }

private:
    /// The sender's WRMSR to the ICR, in the hypervisor.
    void find_sending() {
        constexpr unsigned longest = 100'000;
        for (unsigned i = 0; i < longest; ++i) {
            const std::string said = bochs_.ask("s " + std::to_string(sender) + " 1");
            if (is_hypervisor(bochs_.rip(sender)) && said.find(": wrmsr") != std::string::npos) {
                sending_ = bochs_.rip(sender);
                return;
            }
            if (i % 2000 == 1999) // it waits for what it has sent
                bochs_.run();
        }
        throw tools::Failure("nobody sends an NMI");
    }

    /// The target at the beginning of a round, the sender about to send.
    void line_up() {
        constexpr unsigned patience = 1000;
        constexpr u64 far = 1'000'000;
        for (unsigned i = 0; i < patience; ++i) {
            const bool begins = bochs_.rip(target) == round_, sends = bochs_.rip(sender) == sending_;
            if (begins && sends)
                return;
            if (begins && i % 4 == 0)
                bochs_.step(sender, far / 10);
            else if (sends)
                bochs_.step(target, far);
            else
                bochs_.run();
        }
        throw tools::Failure("an NMI did not arrive");
    }

    void learn() {
        constexpr unsigned longest = 50'000;
        std::set<u64> known;
        bochs_.ask("bpd 2");
        do {
            if (const u64 at = bochs_.rip(target); is_hypervisor(at) && known.insert(at).second)
                own_.push_back(at);
            bochs_.step(target, 1);
        } while (bochs_.rip(target) != round_ && ++length_ < longest);
        bochs_.ask("bpe 2");
    }

    void go_to(u64 address) {
        constexpr u64 far = 1'000'000;
        bochs_.ask("bpd 2");
        bochs_.ask("lb " + std::to_string(address));
        bochs_.step(target, far);
        bochs_.ask("d " + std::to_string(++last_breakpoint_));
        bochs_.ask("bpe 2");
    }

    BochsDebugger bochs_;
    const u64 round_ = address_in("guests/exits.elf", "exits_round");
    u64 sending_ = 0;
    unsigned length_ = 0;          ///< of a round
    std::vector<u64> own_;         ///< its instructions that are the hypervisor's
    unsigned last_breakpoint_ = 2; ///< Bochs numbers them
};

} // namespace

std::string first_breakpoint_of_walk() {
    return "lb " + std::to_string(address_in("guests/exits.elf", "exits_round")) + "\nc\n";
}

std::vector<std::string> walk_with_nmi_on_bochs(const std::filesystem::path& folder) { return Walk(folder)(); }

} // namespace bulkhead::integration
