// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Ways out of a guest, each of which must fail. A guest of guests/attack/ tries many of one kind, counts them, and
// compares how each ended with what a table or a rule says. `neighbour` runs beside them and must not notice.
#pragma once

#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/power.hpp"
#include "guests/lib/traps.hpp"

namespace bulkhead::guest::attack {

/// A set of ends that an attempt may have: an exception's vector, or that nothing came of it.
using Ends = u32;
constexpr Ends end_of(u64 vector) { return vector < 31 ? u32{1} << vector : u32{1} << 31; }
inline constexpr Ends ignored = end_of(returned);
inline constexpr Ends debugged = end_of(debug_exception);
inline constexpr Ends undefined = end_of(invalid_opcode);
inline constexpr Ends refused = end_of(general_protection);
inline constexpr Ends page_faulted = end_of(page_fault);
inline constexpr Ends bad_task = end_of(10), not_present = end_of(11), bad_stack = end_of(12);

/// Counts the cases of one kind, and those that ended as they must not.
class Group {
public:
    explicit Group(std::string_view group) : group_(group) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group() { print("attack: ", group_, ": ", cases_, " cases, ", escapes_, " escapes"); }

    /// One case. `parts` say which it was.
    void expect(bool contained, const auto&... parts) {
        ++cases_;
        count_check();
        if (contained)
            return;
        constexpr u64 shown = 20;
        if (++escapes_ > shown)
            return;
        Line<200> line;
        (void)((line << group_ << ": ") << ... << parts);
        record_failure(line.view());
    }

    /// Calls a function that may raise exceptions.
    template <typename F> Frame attempt(Ends allowed, F&& function, const auto&... parts) {
        const Frame frame = guest::attempt(function);
        judge(frame, allowed, parts...);
        return frame;
    }
    void judge(const Frame& frame, Ends allowed, const auto&... parts) {
        expect((end_of(frame.vector) & allowed) != 0, parts..., ": vector ", frame.vector, " error ", Hex{frame.error},
               " at ", Hex{frame.rip});
    }
    void add(u64 cases) {
        for (u64 i = 0; i < cases; ++i)
            expect(true);
    }

private:
    std::string_view group_;
    u64 cases_ = 0;
    u64 escapes_ = 0;
};

/// Which of the guest's lives this is, from 1.
inline u64 life() { return hypercall(hypercall_life); }

/// In the next life: the hypervisor prints its record of the one before, and drops none.
inline void let_record_be_printed() {
    for (const u64 end = rdtsc() + tsc_hz() / 50; rdtsc() < end;)
        pause();
}

/// What must stop the guest, one case in each of its lives: with `on-crash = "restart"` the next life does the next
/// one. Returns in the life after the last, where all have. `act` says what it does, then does it.
template <typename Act> void stop_by_each(std::string_view group, u64 cases, Act&& act) {
    if (const u64 now = life(); now <= cases) {
        let_record_be_printed();
        act(now - 1);
        print("FAIL ", name, ": ", group, ": case ", now - 1, " did not stop it");
        reset();
    }
    Group stopped(group);
    stopped.add(cases);
}

} // namespace bulkhead::guest::attack
