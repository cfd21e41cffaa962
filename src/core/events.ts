/**
 * Event names of a capture. Well-known tracepoints have the same code in every capture, so that a hot loop can
 * compare with a constant; every other recorded event gets the next free code from FIRST_DYNAMIC_EVENT on.
 */
import {
  EV_APIC,
  EV_APIC_ACCEPT_IRQ,
  EV_APIC_IPI,
  EV_AVIC_INCOMPLETE_IPI,
  EV_AVIC_UNACCELERATED,
  EV_CPUID,
  EV_CR,
  EV_EMULATE_INSN,
  EV_ENTRY,
  EV_EOI,
  EV_EXIT,
  EV_EXIT_CACHE,
  EV_EXIT_CPUCFG,
  EV_EXIT_CSR,
  EV_EXIT_IDLE,
  EV_FAST_MMIO,
  EV_GET_TIMER_MAP,
  EV_GUEST_ENTER,
  EV_GUEST_FAULT,
  EV_HALT_POLL_NS,
  EV_HV_HYPERCALL,
  EV_HVC_ARM64,
  EV_HYPERCALL,
  EV_INJ_EXCEPTION,
  EV_INJ_VIRQ,
  EV_INVLPGA,
  EV_LOST,
  EV_MARKER,
  EV_MEMORY_REGION_OPS_READ,
  EV_MEMORY_REGION_OPS_WRITE,
  EV_MMIO,
  EV_MSR,
  EV_NESTED_INTR_VMEXIT,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_NESTED_VMRUN,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_PLE_WINDOW_UPDATE,
  EV_PPC_GUEST_ENTER,
  EV_PPC_GUEST_EXIT,
  EV_PV_EOI,
  EV_QEMU_DROPPED,
  EV_QEMU_VCPU_IOCTL,
  EV_REENTER,
  EV_RUN_EXIT,
  EV_S390_SIE_ENTER,
  EV_S390_SIE_EXIT,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_SCHED_WAKING,
  EV_SET_IOEVENTFD_MMIO,
  EV_SET_IOEVENTFD_PIO,
  EV_SYS_ACCESS,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
  EV_VIRTIO_NOTIFY,
  EV_VIRTIO_NOTIFY_IRQFD,
  EV_VIRTIO_QUEUE_NOTIFY,
  EV_VMGEXIT_ENTER,
  EV_WFX_ARM64,
  EV_XEN_HYPERCALL,
} from './event-codes.ts';

export * from './event-codes.ts';

export const FIRST_DYNAMIC_EVENT = 256;
/** Most event names that a capture may hold: hostile input must not grow the dictionary without bound. */
export const MAX_EVENTS = 16384;

const WELL_KNOWN: readonly (readonly [number, string])[] = [
  [EV_EXIT, 'kvm_exit'],
  [EV_ENTRY, 'kvm_entry'],
  [EV_USERSPACE_EXIT, 'kvm_userspace_exit'],
  [EV_RUN_EXIT, 'kvm_run_exit'],
  [EV_LOST, '(lost)'],
  [EV_NESTED_VMEXIT, 'kvm_nested_vmexit'],
  [EV_NESTED_VMEXIT_INJECT, 'kvm_nested_vmexit_inject'],
  [EV_NESTED_VMENTER, 'kvm_nested_vmenter'],
  [EV_NESTED_INTR_VMEXIT, 'kvm_nested_intr_vmexit'],
  [EV_PIO, 'kvm_pio'],
  [EV_MMIO, 'kvm_mmio'],
  [EV_FAST_MMIO, 'kvm_fast_mmio'],
  [EV_MSR, 'kvm_msr'],
  [EV_CPUID, 'kvm_cpuid'],
  [EV_CR, 'kvm_cr'],
  [EV_HYPERCALL, 'kvm_hypercall'],
  [EV_HV_HYPERCALL, 'kvm_hv_hypercall'],
  [EV_PAGE_FAULT, 'kvm_page_fault'],
  [EV_APIC, 'kvm_apic'],
  [EV_EOI, 'kvm_eoi'],
  [EV_INJ_VIRQ, 'kvm_inj_virq'],
  [EV_HALT_POLL_NS, 'kvm_halt_poll_ns'],
  [EV_VCPU_WAKEUP, 'kvm_vcpu_wakeup'],
  [EV_SCHED_SWITCH, 'sched_switch'],
  [EV_SCHED_WAKEUP, 'sched_wakeup'],
  [EV_PLE_WINDOW_UPDATE, 'kvm_ple_window_update'],
  [EV_APIC_ACCEPT_IRQ, 'kvm_apic_accept_irq'],
  [EV_APIC_IPI, 'kvm_apic_ipi'],
  [EV_GUEST_FAULT, 'kvm_guest_fault'],
  [EV_SYS_ACCESS, 'kvm_sys_access'],
  [EV_HVC_ARM64, 'kvm_hvc_arm64'],
  [EV_WFX_ARM64, 'kvm_wfx_arm64'],
  [EV_REENTER, 'kvm_reenter'],
  [EV_S390_SIE_ENTER, 'kvm_s390_sie_enter'],
  [EV_S390_SIE_EXIT, 'kvm_s390_sie_exit'],
  [EV_PPC_GUEST_ENTER, 'kvm_guest_enter'],
  [EV_PPC_GUEST_EXIT, 'kvm_guest_exit'],
  [EV_MARKER, 'tracing_mark_write'],
  [EV_INJ_EXCEPTION, 'kvm_inj_exception'],
  [EV_PV_EOI, 'kvm_pv_eoi'],
  [EV_SCHED_WAKING, 'sched_waking'],
  [EV_GUEST_ENTER, 'kvm_enter'],
  [EV_NESTED_VMRUN, 'kvm_nested_vmrun'],
  [EV_AVIC_INCOMPLETE_IPI, 'kvm_avic_incomplete_ipi'],
  [EV_AVIC_UNACCELERATED, 'kvm_avic_unaccelerated_access'],
  [EV_INVLPGA, 'kvm_invlpga'],
  [EV_XEN_HYPERCALL, 'kvm_xen_hypercall'],
  [EV_VIRTIO_QUEUE_NOTIFY, 'virtio_queue_notify'],
  [EV_SET_IOEVENTFD_MMIO, 'kvm_set_ioeventfd_mmio'],
  [EV_SET_IOEVENTFD_PIO, 'kvm_set_ioeventfd_pio'],
  [EV_MEMORY_REGION_OPS_READ, 'memory_region_ops_read'],
  [EV_MEMORY_REGION_OPS_WRITE, 'memory_region_ops_write'],
  [EV_QEMU_VCPU_IOCTL, 'kvm_vcpu_ioctl'],
  [EV_VIRTIO_NOTIFY, 'virtio_notify'],
  [EV_VIRTIO_NOTIFY_IRQFD, 'virtio_notify_irqfd'],
  [EV_EMULATE_INSN, 'kvm_emulate_insn'],
  [EV_GET_TIMER_MAP, 'kvm_get_timer_map'],
  [EV_QEMU_DROPPED, 'Dropped_Event'],
  [EV_EXIT_IDLE, 'kvm_exit_idle'],
  [EV_EXIT_CACHE, 'kvm_exit_cache'],
  [EV_EXIT_CPUCFG, 'kvm_exit_cpucfg'],
  [EV_EXIT_CSR, 'kvm_exit_csr'],
  [EV_VMGEXIT_ENTER, 'kvm_vmgexit_enter'],
];

export interface EventDictionary {
  /** Name of each code; '' where the code is not in use. */
  readonly names: string[];
  /** Code of each name. */
  readonly codes: Map<string, number>;
}

export function createEventDictionary(): EventDictionary {
  const names = new Array<string>(FIRST_DYNAMIC_EVENT).fill('');
  const codes = new Map<string, number>();
  for (const [code, name] of WELL_KNOWN) {
    names[code] = name;
    codes.set(name, code);
  }
  return { names, codes };
}

/** Code of an event name, given one if it is new; 0 (no event) when the dictionary is full. */
export function eventCode(dictionary: EventDictionary, name: string): number {
  const known = dictionary.codes.get(name);
  if (known !== undefined) return known;
  if (dictionary.names.length >= MAX_EVENTS) return 0;
  const code = dictionary.names.length;
  dictionary.names.push(name);
  dictionary.codes.set(name, code);
  return code;
}

/** Events whose `code` is an exit reason of the host's ISA, whether they say which or not. */
export const EXIT_REASON_EVENTS: ReadonlySet<number> = new Set([
  EV_EXIT,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_S390_SIE_EXIT,
  EV_PPC_GUEST_EXIT,
]);
