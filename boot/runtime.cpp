// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The functions that the compiler and libc++'s headers call by name. The loader links no library.
#include <__verbose_abort>
#include <cstddef>

extern "C" {

// In steps of 8 bytes: an emulator executes each step of a string instruction as one instruction.
void* memcpy(void* to, const void* from, std::size_t size) {
    void* const result = to;
    std::size_t words = size / 8;
    std::size_t bytes = size % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return result;
}

void* memset(void* to, int value, std::size_t size) {
    void* const result = to;
    std::size_t words = size / 8;
    std::size_t bytes = size % 8;
    const std::size_t pattern = 0x0101010101010101 * static_cast<unsigned char>(value);
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
    return result;
}

void* memmove(void* to, const void* from, std::size_t size) {
    char* const target = static_cast<char*>(to);
    const char* const source = static_cast<const char*>(from);
    if (target <= source || target >= source + size)
        return memcpy(to, from, size);
    for (std::size_t i = size; i-- > 0;) {
        target[i] = source[i];
        asm volatile("" : : : "memory"); // or the compiler makes this loop a call of memmove
    }
    return to;
}

int memcmp(const void* left, const void* right, std::size_t size) {
    const auto* const a = static_cast<const unsigned char*>(left);
    const auto* const b = static_cast<const unsigned char*>(right);
    for (std::size_t i = 0; i < size; ++i)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

void* memchr(const void* memory, int value, std::size_t size) {
    auto* const bytes = static_cast<const unsigned char*>(memory);
    for (std::size_t i = 0; i < size; ++i)
        if (bytes[i] == static_cast<unsigned char>(value))
            return const_cast<unsigned char*>(bytes + i);
    return nullptr;
}

std::size_t strlen(const char* text) {
    std::size_t size = 0;
    while (text[size] != 0) {
        ++size;
        asm volatile("" : : : "memory"); // as above
    }
    return size;
}

} // extern "C"

/// Where libc++ would throw, out_of_range for example: never in code that is right.
void std::__libcpp_verbose_abort(const char* /*format*/, ...) { __builtin_trap(); }
