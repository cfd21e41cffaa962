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
  EV_VMGEXIT_ENTER,
  EV_XEN_HYPERCALL,
  MAX_EVENTS,
} from '../core/events.ts';
import {
  ROLE_DETAIL,
  ROLE_ENTRY,
  ROLE_EXIT,
  ROLE_INJECT,
  ROLE_LOST,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_REFINE,
  ROLE_RUN_EXIT,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
  ROLE_WEAK_DETAIL,
} from './role-codes.ts';

export * from './role-codes.ts';

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
  [ROLE_WEAK_DETAIL, [EV_PAGE_FAULT, EV_GUEST_FAULT, EV_APIC, EV_VMGEXIT_ENTER]],
  [ROLE_INJECT, [EV_INJ_VIRQ]],
  [ROLE_RUN_EXIT, [EV_RUN_EXIT]],
];

/** Role by event code. */
export const EVENT_ROLES: Uint8Array = (() => {
  const roles = new Uint8Array(MAX_EVENTS);
  for (const [role, events] of ROLES) for (const event of events) roles[event] = role;
  return roles;
})();
