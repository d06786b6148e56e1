// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A target's way to libFuzzer. Called with --write-seeds=FOLDER it writes its seeds there, and ends.
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.hpp"

namespace {

void write_seeds(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const bulkhead::fuzz::Seed& seed : bulkhead::fuzz::seeds()) {
        std::ofstream file(folder / ("made-" + std::to_string(number++)), std::ios::binary);
        file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    }
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    constexpr std::string_view option = "--write-seeds=";
    if (*count < 2 || !std::string_view((*arguments)[1]).starts_with(option))
        return 0;
    write_seeds((*arguments)[1] + option.size());
    std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    bulkhead::fuzz::try_input({data, size});
    return 0;
}
