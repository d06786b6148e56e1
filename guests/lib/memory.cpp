// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <cstddef>

// What the compiler may call in a freestanding program.
extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
    void* const result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

void* memmove(void* to, const void* from, std::size_t size) {
    auto* const t = static_cast<unsigned char*>(to);
    const auto* const f = static_cast<const unsigned char*>(from);
    if (t <= f)
        return memcpy(to, from, size);
    const unsigned char* last_from = f + size - 1;
    unsigned char* last_to = t + size - 1;
    asm volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(size) : : "memory");
    return to;
}

void* memset(void* to, int value, std::size_t size) {
    void* const result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}

int memcmp(const void* a, const void* b, std::size_t size) {
    const auto* const x = static_cast<const volatile unsigned char*>(a);
    const auto* const y = static_cast<const volatile unsigned char*>(b);
    for (std::size_t i = 0; i < size; ++i)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

std::size_t strlen(const char* text) {
    const volatile char* end = text;
    while (*end != 0)
        ++end;
    return static_cast<std::size_t>(end - text);
}

const void* memchr(const void* data, int value, std::size_t size) {
    const auto* const bytes = static_cast<const volatile unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i)
        if (bytes[i] == static_cast<unsigned char>(value))
            return static_cast<const unsigned char*>(data) + i;
    return nullptr;
}
}
