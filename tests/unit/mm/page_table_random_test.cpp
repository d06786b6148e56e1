// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Random sequences of operations against a model. After every single write, a walk of each address of interest finds
// the mapping from before the operation or the one from after it, and never the old one again once the new one was
// there.
#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fakes/page_walk.hpp"
#include "fakes/physical_memory.hpp"
#include "mm/page_table.hpp"

using namespace bulkhead;

namespace {

enum class Kind { Map, Unmap, Protect };

struct Operation {
    Kind kind;
    u64 address, physical, size;
    Attributes attributes;
};

/// A mapping without the page size, which operations may change where they change nothing else.
struct Translation {
    HostPhysical physical;
    Attributes attributes;
    friend bool operator==(const Translation&, const Translation&) = default;
};
using State = std::optional<Translation>;

/// What a sequence of operations means, one address at a time.
class Model {
public:
    void apply(const Operation& operation) { operations_.push_back(operation); }

    State at(u64 address) const {
        State state;
        for (const Operation& o : operations_) {
            if (address < o.address || address - o.address >= o.size)
                continue;
            if (o.kind == Kind::Map)
                state = Translation{{o.physical + (address - o.address)}, o.attributes};
            else if (o.kind == Kind::Unmap)
                state.reset();
            else
                state->attributes.rights = o.attributes.rights;
        }
        return state;
    }

    /// Addresses at which something may change, within the range and at its start.
    std::vector<u64> edges(u64 address, u64 size) const {
        std::set<u64> edges{address};
        for (const Operation& o : operations_)
            for (const u64 edge : {o.address, o.address + o.size})
                if (edge > address && edge - address < size)
                    edges.insert(edge);
        return {edges.begin(), edges.end()};
    }

    bool has_hole(u64 address, u64 size) const {
        return std::ranges::any_of(edges(address, size), [this](u64 edge) { return !at(edge); });
    }

private:
    std::vector<Operation> operations_;
};

template <class Format> class Trial {
public:
    explicit Trial(unsigned seed) : random_(seed), capabilities_{.levels = 4 + seed % 2, .huge_pages = seed % 3 != 0} {}

    void run(unsigned steps) {
        for (unsigned step = 0; step < steps; ++step) {
            const Operation operation = next();
            CAPTURE(step, static_cast<int>(operation.kind), operation.address, operation.physical, operation.size);
            check(operation);
        }
    }

private:
    u64 below(u64 n) { return random_() % n; }

    Operation next() {
        // Around the borders of tables of every level.
        static constexpr u64 bases[] = {0, GiB - 4 * MiB, 2 * GiB, 512 * GiB - 2 * MiB, 512 * GiB};
        const u64 unit = std::array{page_size, large_page_size, huge_page_size}[below(3)];
        const u64 count = unit == huge_page_size ? 1 + below(2) : 1 + below(unit == page_size ? 1100 : 6);
        Operation o{};
        o.address = align_down(bases[below(std::size(bases))], unit) + below(4) * unit;
        o.size = unit * count;
        o.physical = 64 * GiB + below(8) * unit;
        o.kind = std::array{Kind::Map, Kind::Map, Kind::Unmap, Kind::Protect}[below(4)];
        o.attributes.rights = std::array{read_only, read_write, read_execute, all_rights}[below(4)];
        o.attributes.kind = static_cast<MemoryKind>(below(3));
        return o;
    }

    Result<TlbFlush> execute(const Operation& o) {
        switch (o.kind) {
        case Kind::Map:
            return table_.map({o.address}, {o.physical}, o.size, o.attributes);
        case Kind::Unmap:
            return table_.unmap({o.address}, o.size);
        case Kind::Protect:
            return table_.protect({o.address}, o.size, o.attributes.rights);
        }
        std::abort();
    }

    State walk(u64 address) const {
        const auto mapping = fakes::walk<Format>(memory_, table_.root(), address, capabilities_.levels);
        return mapping ? State(Translation{mapping->physical, {mapping->rights, mapping->kind}}) : std::nullopt;
    }

    std::vector<u64> addresses_of_interest(const Operation& o) {
        std::vector<u64> result{o.address, o.address + page_size - 1, o.address + o.size - 1, o.address + o.size};
        if (o.address > 0)
            result.push_back(o.address - 1);
        for (unsigned i = 0; i < 4; ++i) {
            result.push_back(o.address + below(o.size));
            result.push_back(align_down(o.address, GiB) + below(2 * GiB));
        }
        return result;
    }

    void check(const Operation& operation) {
        const bool must_fail = operation.kind == Kind::Protect && model_.has_hole(operation.address, operation.size);
        Model next_model = model_;
        if (!must_fail)
            next_model.apply(operation);
        struct Watched {
            u64 address;
            State before, after;
            bool changed = false;
        };
        std::vector<Watched> watched;
        for (const u64 address : addresses_of_interest(operation))
            watched.push_back({address, model_.at(address), next_model.at(address)});
        const char* wrong = nullptr;
        const std::size_t writes = memory_.history.size();
        memory_.observer = [&] {
            for (Watched& w : watched) {
                const State now = walk(w.address);
                if (now != w.before && now != w.after)
                    wrong = "neither the old mapping nor the new one";
                if (w.changed && now != w.after)
                    wrong = "the old mapping is back";
                w.changed = w.changed || now != w.before;
            }
        };
        const Result<TlbFlush> done = execute(operation);
        memory_.observer = nullptr;
        REQUIRE(wrong == nullptr);
        REQUIRE(done.has_value() == !must_fail);
        if (must_fail)
            REQUIRE(memory_.history.size() == writes);
        bool stale = false;
        for (const u64 edge : next_model.edges(operation.address, operation.size))
            stale = stale || (model_.at(edge) && model_.at(edge) != next_model.at(edge));
        if (stale)
            REQUIRE(*done == TlbFlush::Needed);
        model_ = next_model;
        for (const Watched& w : watched) {
            CAPTURE(w.address);
            REQUIRE(walk(w.address) == w.after);
            const auto found = table_.lookup({w.address});
            REQUIRE(found == fakes::walk<Format>(memory_, table_.root(), w.address, capabilities_.levels));
        }
    }

    static constexpr u64 frame_count = 20000;
    std::mt19937 random_;
    PagingCapabilities capabilities_;
    fakes::PhysicalMemory memory_{frame_count};
    fakes::Frames frames_{frame_count};
    PageTable<Format, fakes::PhysicalMemory, fakes::Frames> table_ =
        PageTable<Format, fakes::PhysicalMemory, fakes::Frames>::create(memory_, frames_, capabilities_).value();
    Model model_;
};

} // namespace

TEMPLATE_TEST_CASE("PageTable shows hardware the old or the new mapping after every write", "", HostFormat, NptFormat,
                   EptFormat) {
    for (unsigned seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        Trial<TestType>(seed).run(40);
    }
}
