// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The functions of the C library that the compiler and libc++'s headers call. REP with quadwords: as fast as with bytes
// on hardware, eight times as fast on an emulator that counts each iteration as an instruction.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
    void* result = to;
    std::size_t words = size / 8;
    std::size_t rest = size % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    return result;
}

void* memset(void* to, int value, std::size_t size) {
    void* result = to;
    const std::uint64_t pattern = 0x0101010101010101 * static_cast<unsigned char>(value);
    std::size_t words = size / 8;
    std::size_t rest = size % 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return result;
}

void* memmove(void* to, const void* from, std::size_t size) {
    if (to <= from || static_cast<const char*>(from) + size <= to)
        return memcpy(to, from, size);
    auto* out = static_cast<volatile char*>(to);
    const auto* in = static_cast<const volatile char*>(from);
    while (size-- > 0)
        out[size] = in[size];
    return to;
}

int memcmp(const void* a, const void* b, std::size_t size) {
    const auto* x = static_cast<const volatile unsigned char*>(a);
    const auto* y = static_cast<const volatile unsigned char*>(b);
    for (std::size_t i = 0; i < size; ++i)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

std::size_t strlen(const char* text) {
    std::size_t n = 0;
    while (static_cast<const volatile char*>(text)[n] != 0)
        ++n;
    return n;
}

void* memchr(const void* in, int value, std::size_t size) {
    const auto* bytes = static_cast<const volatile unsigned char*>(in);
    for (std::size_t i = 0; i < size; ++i)
        if (bytes[i] == static_cast<unsigned char>(value))
            return const_cast<unsigned char*>(const_cast<const unsigned char*>(bytes + i));
    return nullptr;
}
}
