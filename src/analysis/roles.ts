/** What each event means to pairing. Event names of other ISAs join by getting a role here. */
import {
  EV_APIC,
  EV_CPUID,
  EV_CR,
  EV_ENTRY,
  EV_EXIT,
  EV_EXIT_CACHE,
  EV_EXIT_CPUCFG,
  EV_EXIT_CSR,
  EV_EXIT_IDLE,
  EV_FAST_MMIO,
  EV_GET_TIMER_MAP,
  EV_GUEST_ENTER,
  EV_GUEST_FAULT,
  EV_HV_HYPERCALL,
  EV_HVC_ARM64,
  EV_HYPERCALL,
  EV_INJ_VIRQ,
  EV_LOST,
  EV_MMIO,
  EV_MSR,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_PPC_GUEST_ENTER,
  EV_PPC_GUEST_EXIT,
  EV_REENTER,
  EV_RUN_EXIT,
  EV_S390_SIE_ENTER,
  EV_S390_SIE_EXIT,
  EV_SYS_ACCESS,
  EV_USERSPACE_EXIT,
  EV_XEN_HYPERCALL,
  MAX_EVENTS,
} from '../core/events.ts';

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
/** As ROLE_DETAIL, but gives way to such: what an access is made of (a page fault, the local APIC behind an MSR). */
export const ROLE_WEAK_DETAIL = 11;
/** Gives the reason of the thread's open exit more precisely (loongarch); no exit of its own. */
export const ROLE_REFINE = 12;

const ROLES: readonly (readonly [number, readonly number[]])[] = [
  [ROLE_EXIT, [EV_EXIT, EV_S390_SIE_EXIT, EV_PPC_GUEST_EXIT]],
  [ROLE_ENTRY, [EV_ENTRY, EV_REENTER, EV_GUEST_ENTER, EV_S390_SIE_ENTER, EV_PPC_GUEST_ENTER]],
  [ROLE_USERSPACE_EXIT, [EV_USERSPACE_EXIT]],
  [ROLE_LOST, [EV_LOST]],
  [ROLE_NESTED_EXIT, [EV_NESTED_VMEXIT]],
  [ROLE_VCPU, [EV_GET_TIMER_MAP]],
  [ROLE_REFINE, [EV_EXIT_IDLE, EV_EXIT_CACHE, EV_EXIT_CPUCFG, EV_EXIT_CSR]],
  [ROLE_NESTED_INJECT, [EV_NESTED_VMEXIT_INJECT]],
  [
    ROLE_DETAIL,
    [
      EV_PIO,
      EV_MMIO,
      EV_FAST_MMIO,
      EV_MSR,
      EV_CPUID,
      EV_CR,
      EV_HYPERCALL,
      EV_HV_HYPERCALL,
      EV_XEN_HYPERCALL,
      EV_SYS_ACCESS,
      EV_HVC_ARM64,
    ],
  ],
  [ROLE_WEAK_DETAIL, [EV_PAGE_FAULT, EV_GUEST_FAULT, EV_APIC]],
  [ROLE_INJECT, [EV_INJ_VIRQ]],
  [ROLE_RUN_EXIT, [EV_RUN_EXIT]],
];

/** Role by event code. */
export const EVENT_ROLES: Uint8Array = (() => {
  const roles = new Uint8Array(MAX_EVENTS);
  for (const [role, events] of ROLES) for (const event of events) roles[event] = role;
  return roles;
})();
