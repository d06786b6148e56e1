# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# cmake -DINPUT=file -DOUTPUT=header.hpp -DNAME=identifier -P EmbedBytes.cmake
# Writes a header with the bytes of a file as bulkhead::NAME.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(SIZE ${INPUT} size)
file(WRITE ${OUTPUT} "// Generated from ${INPUT}
#pragma once
#include <array>
#include \"base/types.hpp\"
namespace bulkhead {
inline constexpr std::array<u8, ${size}> ${NAME}{
${bytes}};
} // namespace bulkhead
")
