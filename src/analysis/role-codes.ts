/** Roles of events in pairing. Plain constants only, which kernels share. */

export const ROLE_NONE = 0;
export const ROLE_EXIT = 1;
export const ROLE_ENTRY = 2;
export const ROLE_USERSPACE_EXIT = 3;
export const ROLE_LOST = 4;
export const ROLE_NESTED_EXIT = 5;
export const ROLE_NESTED_INJECT = 6;
/** Says what the exit was about: which port, GPA, MSR … */
export const ROLE_DETAIL = 7;
/** Names the vCPU of the thread that it happens in. */
export const ROLE_VCPU = 8;
/** An interrupt is put into the guest. */
export const ROLE_INJECT = 9;
/** QEMU says that KVM_RUN returned to it. */
export const ROLE_RUN_EXIT = 10;
/** As ROLE_DETAIL, but gives way to such: what an access is made of (a page fault, the local APIC behind an MSR, a VMGEXIT). */
export const ROLE_WEAK_DETAIL = 11;
/** Gives the reason of the thread's open exit more precisely (loongarch); no exit of its own. */
export const ROLE_REFINE = 12;
