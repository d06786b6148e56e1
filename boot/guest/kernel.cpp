// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/kernel.hpp"

namespace bulkhead {

namespace {

Result<KernelPlan> plan_direct(KernelFormat format, const KernelSources& sources) {
    StaticVector<u64, max_loaded_files> sizes;
    if (sources.initrd_size != 0)
        static_cast<void>(sizes.push_back(sources.initrd_size)); // it is the first
    for (const u64 size : sources.module_sizes)
        if (!sizes.push_back(size))
            return fail("too many modules", sources.module_sizes.size());
    return plan_direct_boot(format, sources.kernel, sizes.span(), sources.cmdline, sources.memory);
}

Result<KernelPlan> plan_linux(const KernelSources& sources) {
    if (!sources.module_sizes.empty())
        return fail("a bzImage takes an initrd, but no modules: there are", sources.module_sizes.size());
    return plan_linux_boot(sources.kernel, sources.initrd_size, sources.cmdline, sources.memory);
}

} // namespace

KernelFormat recognize_kernel(std::span<const u8> kernel) {
    if (is_bzimage(kernel))
        return KernelFormat::BzImage;
    if (const auto elf = is_elf(kernel) ? parse_elf_program(kernel) : Result<ElfProgram>(); elf && elf->pvh_entry)
        return KernelFormat::Pvh;
    if (find_multiboot_header(kernel))
        return KernelFormat::Multiboot;
    return is_elf(kernel) ? KernelFormat::Pvh : KernelFormat::Auto; // which says what is wrong with the file
}

Result<KernelPlan> plan_kernel(const KernelSources& sources) {
    const KernelFormat format =
        sources.format == KernelFormat::Auto ? recognize_kernel(sources.kernel) : sources.format;
    switch (format) {
    case KernelFormat::Auto:
        return fail("the file is neither a bzImage nor an ELF file, and has no multiboot header: bytes",
                    sources.kernel.size());
    case KernelFormat::BzImage:
        return plan_linux(sources);
    case KernelFormat::Pvh:
    case KernelFormat::Multiboot:
    case KernelFormat::Flat:
        return plan_direct(format, sources);
    }
    return fail("there is no such format", static_cast<u64>(format));
}

} // namespace bulkhead
