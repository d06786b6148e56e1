// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// CPUID of a recorded CPU: lines "CPUID LEAF: EAX-EBX-ECX-EDX [SL SUBLEAF]", as InstLatX64 writes them.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "arch/x86_64/cpuid.hpp"

namespace bulkhead::test {

class CpuidRecording {
public:
    explicit CpuidRecording(const std::filesystem::path& path) : name_(path.filename()) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            u32 leaf = 0, subleaf = 0;
            CpuidRegisters value;
            const int fields = std::sscanf(line.c_str(), "CPUID %x: %x-%x-%x-%x [SL %x]", &leaf, &value.eax, &value.ebx,
                                           &value.ecx, &value.edx, &subleaf);
            if (fields < 5)
                continue;
            leaves_.insert({{leaf, fields == 6 ? subleaf : 0}, value});
            has_subleaves_[leaf] = has_subleaves_[leaf] || fields == 6;
        }
    }

    /// As the CPU answers: above the highest leaf, Intel's repeat the data of the highest basic one.
    CpuidRegisters operator()(u32 leaf, u32 subleaf) const {
        if (!has_subleaves_.contains(leaf) && leaf > at(leaf & 0x8000'0000, 0).eax &&
            vendor_of(at(0, 0)) == CpuVendor::Intel)
            leaf = at(0, 0).eax;
        const auto found = has_subleaves_.find(leaf);
        return at(leaf, found != has_subleaves_.end() && found->second ? subleaf : 0);
    }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool empty() const { return leaves_.empty(); }

private:
    [[nodiscard]] CpuidRegisters at(u32 leaf, u32 subleaf) const {
        const auto found = leaves_.find({leaf, subleaf});
        return found == leaves_.end() ? CpuidRegisters{} : found->second;
    }

    std::string name_;
    std::map<std::pair<u32, u32>, CpuidRegisters> leaves_;
    std::map<u32, bool> has_subleaves_;
};

inline CpuidRecording own_recording(const char* name) {
    return CpuidRecording(std::filesystem::path(TEST_DATA) / "cpuid" / name);
}

} // namespace bulkhead::test
