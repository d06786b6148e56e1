# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# Every module is compiled from the same sources for up to four worlds:
#   RESIDENT  hv_NAME    the hypervisor: freestanding ELF, libc++ in hardened mode
#   EFI       efi_NAME   the loader: freestanding PE/COFF objects
#   HOST      host_NAME  unit tests: libstdc++, ASan and UBSan; tests/fuzz compiles them once more
#   TOOL      tool_NAME  the host command: libstdc++, no sanitizers
# Each is an OBJECT library. Only clang builds all four, so it is the project's compiler.

set(BULKHEAD_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wold-style-cast -Wvla
    -Wno-gnu-anonymous-struct -Wno-nested-anon-types -Werror)

set(BULKHEAD_FREESTANDING -std=c++23 -O2 -g -ffreestanding -fno-exceptions -fno-rtti -fno-asynchronous-unwind-tables
    -fno-threadsafe-statics -mno-red-zone -mno-mmx -mno-sse -mno-sse2 -ftrivial-auto-var-init=zero
    -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST -D_LIBCPP_DISABLE_EXTERN_TEMPLATE)

# The canary is a global variable: clang would read it through FS, which on AMD still holds the guest's base.
set(BULKHEAD_HYPERVISOR_FLAGS --target=x86_64-linux-gnu -stdlib=libc++ ${BULKHEAD_FREESTANDING} -fno-pic -mcmodel=kernel -Oz
    -fstack-protector-strong -mstack-protector-guard=global -ffunction-sections -fdata-sections -fno-jump-tables -fstack-usage
    -Wthread-safety)

# PE objects with LP64, so that libc++'s headers and the C library's compile: the Cygwin triple with Linux' macros.
# This target has no __float128, which bits/floatn.h of glibc 2.41 knows only of Intel's SYCL compiler: we pose as it.
# libc++ must know of COFF, whose largest alignment is 8192, but not import its functions from a DLL.
# (-isystem without a blank: CMake drops the repeated word otherwise.)
set(BULKHEAD_EFI_FLAGS --target=x86_64-pc-windows-cygnus -U__CYGWIN__ -U__CYGWIN64__ -D__linux__ -D__ELF__ -D_GNU_SOURCE
    -D__INTEL_LLVM_COMPILER -DSYCL_LANGUAGE_VERSION
    -D_LIBCPP_OBJECT_FORMAT_COFF -D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS
    -nostdinc++ -isystem/usr/lib/llvm-19/include/c++/v1 -isystem/usr/include/x86_64-linux-gnu -isystem/usr/include
    -isystem/usr/include/efi -isystem/usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI
    ${BULKHEAD_FREESTANDING} -fno-stack-protector -mno-stack-arg-probe)

option(BULKHEAD_COVERAGE "Unit tests and fuzz targets count the lines that they reach; the former do not look for wrong accesses" OFF)
if(BULKHEAD_COVERAGE)
  set(BULKHEAD_HOST_INSTRUMENTS -fprofile-instr-generate -fcoverage-mapping)
else()
  set(BULKHEAD_HOST_INSTRUMENTS -fsanitize=address,undefined -fno-sanitize-recover=all)
endif()
set(BULKHEAD_HOST_FLAGS -std=c++23 -O1 -g ${BULKHEAD_HOST_INSTRUMENTS} -fno-omit-frame-pointer)
set(BULKHEAD_TOOL_FLAGS -std=c++23 -O2 -g)

# A module named *_boot is code that only booting runs: linker.ld puts it apart.
# bulkhead_module(NAME [RESIDENT] [EFI] [HOST] [TOOL] SOURCES file...)
function(bulkhead_module name)
  cmake_parse_arguments(M "RESIDENT;EFI;HOST;TOOL" "" "SOURCES" ${ARGN})
  foreach(world RESIDENT EFI HOST TOOL)
    if(NOT M_${world})
      continue()
    endif()
    if(world STREQUAL RESIDENT)
      set(target hv_${name})
      set(flags ${BULKHEAD_HYPERVISOR_FLAGS})
      if(name MATCHES "_boot$")
        set(objects BULKHEAD_HV_BOOT_OBJECTS)
      else()
        set(objects BULKHEAD_HV_OBJECTS)
      endif()
      set_property(GLOBAL APPEND PROPERTY ${objects} $<TARGET_OBJECTS:${target}>)
    elseif(world STREQUAL EFI)
      set(target efi_${name})
      set(flags ${BULKHEAD_EFI_FLAGS})
      set_property(GLOBAL APPEND PROPERTY BULKHEAD_EFI_OBJECTS $<TARGET_OBJECTS:${target}>)
    elseif(world STREQUAL HOST)
      set(target host_${name})
      set(flags ${BULKHEAD_HOST_FLAGS})
      set_property(GLOBAL APPEND PROPERTY BULKHEAD_HOST_OBJECTS $<TARGET_OBJECTS:${target}>)
      foreach(source ${M_SOURCES})
        set_property(GLOBAL APPEND PROPERTY BULKHEAD_HOST_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      endforeach()
    else()
      set(target tool_${name})
      set(flags ${BULKHEAD_TOOL_FLAGS})
      set_property(GLOBAL APPEND PROPERTY BULKHEAD_TOOL_OBJECTS $<TARGET_OBJECTS:${target}>)
    endif()
    add_library(${target} OBJECT ${M_SOURCES})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags};${BULKHEAD_WARNINGS}>"
        "$<$<COMPILE_LANGUAGE:ASM>:-g>")
  endforeach()
endfunction()

# The resident hypervisor: build/bulkhead.elf, target bulkhead_elf. Prints the size of its text. What only boots comes
# last: of a function in several objects the first is taken, so one that the others need too is theirs.
function(bulkhead_link_hypervisor)
  get_property(objects GLOBAL PROPERTY BULKHEAD_HV_OBJECTS)
  get_property(boot_objects GLOBAL PROPERTY BULKHEAD_HV_BOOT_OBJECTS)
  list(APPEND objects ${boot_objects})
  set(elf ${PROJECT_BINARY_DIR}/bulkhead.elf)
  add_custom_command(OUTPUT ${elf}
    COMMAND ${LD_LLD} -nostdlib -static --gc-sections -z max-page-size=4096 -z noexecstack --build-id=none
            -T ${PROJECT_SOURCE_DIR}/linker.ld -o ${elf} ${objects}
    COMMAND ${PROJECT_SOURCE_DIR}/tests/integration/text_size.sh ${elf} 98304
    DEPENDS ${objects} ${PROJECT_SOURCE_DIR}/linker.ld
    COMMAND_EXPAND_LISTS VERBATIM COMMENT "Linking the hypervisor")
  add_custom_target(bulkhead_elf ALL DEPENDS ${elf})
endfunction()
