// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/vmcb.hpp"

#include <cstddef>

#include <catch2/catch_test_macros.hpp>

using bulkhead::svm::Vmcb;

TEST_CASE("VMCB: fields are where APM 2 tables B-1 and B-2 have them") {
    STATIC_REQUIRE(offsetof(Vmcb, control.intercepts.exceptions) == 0x008);
    STATIC_REQUIRE(offsetof(Vmcb, control.intercepts.misc1) == 0x00c);
    STATIC_REQUIRE(offsetof(Vmcb, control.intercepts.misc2) == 0x010);
    STATIC_REQUIRE(offsetof(Vmcb, control.intercepts.misc3) == 0x014);
    STATIC_REQUIRE(offsetof(Vmcb, control.pause_filter_threshold) == 0x03c);
    STATIC_REQUIRE(offsetof(Vmcb, control.pause_filter_count) == 0x03e);
    STATIC_REQUIRE(offsetof(Vmcb, control.iopm_base_pa) == 0x040);
    STATIC_REQUIRE(offsetof(Vmcb, control.msrpm_base_pa) == 0x048);
    STATIC_REQUIRE(offsetof(Vmcb, control.tsc_offset) == 0x050);
    STATIC_REQUIRE(offsetof(Vmcb, control.guest_asid) == 0x058);
    STATIC_REQUIRE(offsetof(Vmcb, control.tlb_control) == 0x05c);
    STATIC_REQUIRE(offsetof(Vmcb, control.vintr) == 0x060);
    STATIC_REQUIRE(offsetof(Vmcb, control.interrupt_shadow) == 0x068);
    STATIC_REQUIRE(offsetof(Vmcb, control.exitcode) == 0x070);
    STATIC_REQUIRE(offsetof(Vmcb, control.exitinfo1) == 0x078);
    STATIC_REQUIRE(offsetof(Vmcb, control.exitinfo2) == 0x080);
    STATIC_REQUIRE(offsetof(Vmcb, control.exitintinfo) == 0x088);
    STATIC_REQUIRE(offsetof(Vmcb, control.np_enable) == 0x090);
    STATIC_REQUIRE(offsetof(Vmcb, control.eventinj) == 0x0a8);
    STATIC_REQUIRE(offsetof(Vmcb, control.n_cr3) == 0x0b0);
    STATIC_REQUIRE(offsetof(Vmcb, control.lbr_virtualization_enable) == 0x0b8);
    STATIC_REQUIRE(offsetof(Vmcb, control.vmcb_clean) == 0x0c0);
    STATIC_REQUIRE(offsetof(Vmcb, control.nrip) == 0x0c8);
    STATIC_REQUIRE(offsetof(Vmcb, control.bytes_fetched) == 0x0d0);
    STATIC_REQUIRE(offsetof(Vmcb, control.instruction_bytes) == 0x0d1);
    STATIC_REQUIRE(offsetof(Vmcb, save.es) == 0x400);
    STATIC_REQUIRE(offsetof(Vmcb, save.cs) == 0x410);
    STATIC_REQUIRE(offsetof(Vmcb, save.gdtr) == 0x460);
    STATIC_REQUIRE(offsetof(Vmcb, save.ldtr) == 0x470);
    STATIC_REQUIRE(offsetof(Vmcb, save.idtr) == 0x480);
    STATIC_REQUIRE(offsetof(Vmcb, save.tr) == 0x490);
    STATIC_REQUIRE(offsetof(Vmcb, save.cpl) == 0x4cb);
    STATIC_REQUIRE(offsetof(Vmcb, save.efer) == 0x4d0);
    STATIC_REQUIRE(offsetof(Vmcb, save.cr4) == 0x548);
    STATIC_REQUIRE(offsetof(Vmcb, save.cr3) == 0x550);
    STATIC_REQUIRE(offsetof(Vmcb, save.cr0) == 0x558);
    STATIC_REQUIRE(offsetof(Vmcb, save.dr7) == 0x560);
    STATIC_REQUIRE(offsetof(Vmcb, save.dr6) == 0x568);
    STATIC_REQUIRE(offsetof(Vmcb, save.rflags) == 0x570);
    STATIC_REQUIRE(offsetof(Vmcb, save.rip) == 0x578);
    STATIC_REQUIRE(offsetof(Vmcb, save.rsp) == 0x5d8);
    STATIC_REQUIRE(offsetof(Vmcb, save.rax) == 0x5f8);
    STATIC_REQUIRE(offsetof(Vmcb, save.star) == 0x600);
    STATIC_REQUIRE(offsetof(Vmcb, save.kernel_gs_base) == 0x620);
    STATIC_REQUIRE(offsetof(Vmcb, save.cr2) == 0x640);
    STATIC_REQUIRE(offsetof(Vmcb, save.g_pat) == 0x668);
    STATIC_REQUIRE(offsetof(Vmcb, save.dbgctl) == 0x670);
    STATIC_REQUIRE(offsetof(Vmcb, save.spec_ctrl) == 0x6e0);
}
