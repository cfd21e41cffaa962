/**
 * Event names of a capture. Well-known tracepoints have the same code in every capture, so that a hot loop can
 * compare with a constant; every other recorded event gets the next free code from FIRST_DYNAMIC_EVENT on.
 */

export const EV_EXIT = 1;
export const EV_ENTRY = 2;
export const EV_USERSPACE_EXIT = 3;
/** QEMU's own `kvm_run_exit(cpu_index, reason)`: vcpu = cpu_index, code = KVM_EXIT_*. */
export const EV_RUN_EXIT = 4;
/** Not a recorded event: events were lost on `cpu` just before this row; arg0 = how many, if known. */
export const EV_LOST = 5;
export const EV_NESTED_VMEXIT = 6;
export const EV_NESTED_VMEXIT_INJECT = 7;
export const EV_NESTED_VMENTER = 8;
export const EV_NESTED_INTR_VMEXIT = 9;
export const EV_PIO = 10;
export const EV_MMIO = 11;
export const EV_FAST_MMIO = 12;
export const EV_MSR = 13;
export const EV_CPUID = 14;
export const EV_CR = 15;
export const EV_HYPERCALL = 16;
export const EV_HV_HYPERCALL = 17;
export const EV_PAGE_FAULT = 18;
export const EV_APIC = 19;
export const EV_EOI = 20;
export const EV_INJ_VIRQ = 21;
export const EV_HALT_POLL_NS = 22;
export const EV_VCPU_WAKEUP = 23;
export const EV_SCHED_SWITCH = 24;
export const EV_SCHED_WAKEUP = 25;
export const EV_PLE_WINDOW_UPDATE = 26;
export const EV_APIC_ACCEPT_IRQ = 27;
export const EV_APIC_IPI = 28;
export const EV_GUEST_FAULT = 29;
export const EV_SYS_ACCESS = 30;
export const EV_HVC_ARM64 = 31;
export const EV_WFX_ARM64 = 32;
/** loongarch/mips: entry after an exit that the kernel handled itself. */
export const EV_REENTER = 33;
export const EV_S390_SIE_ENTER = 34;
export const EV_S390_SIE_EXIT = 35;
export const EV_PPC_GUEST_ENTER = 36;
export const EV_PPC_GUEST_EXIT = 37;
/** Text written by user space (trace_marker) that is not a QEMU trace event. */
export const EV_MARKER = 38;
export const EV_INJ_EXCEPTION = 39;
export const EV_PV_EOI = 40;
export const EV_SCHED_WAKING = 41;
export const EV_GUEST_ENTER = 42;
export const EV_NESTED_VMRUN = 43;
export const EV_AVIC_INCOMPLETE_IPI = 44;
export const EV_AVIC_UNACCELERATED = 45;
export const EV_INVLPGA = 46;
export const EV_XEN_HYPERCALL = 47;
export const EV_VIRTIO_QUEUE_NOTIFY = 48;
export const EV_SET_IOEVENTFD_MMIO = 49;
export const EV_SET_IOEVENTFD_PIO = 50;
export const EV_MEMORY_REGION_OPS_READ = 51;
export const EV_MEMORY_REGION_OPS_WRITE = 52;
export const EV_QEMU_VCPU_IOCTL = 53;
export const EV_VIRTIO_NOTIFY = 54;
export const EV_VIRTIO_NOTIFY_IRQFD = 55;
export const EV_EMULATE_INSN = 56;
/** arm64: names the running thread's vCPU when it is loaded. */
export const EV_GET_TIMER_MAP = 57;
/**
 * QEMU refused trace events because its buffer was full (simpletrace): arg0 = how many, lost at unknown places between
 * the row of this kind before and this one. Says nothing about the kernel's events, so it breaks no exit's pairing.
 */
export const EV_QEMU_DROPPED = 58;
/** loongarch: what the kvm_exit before in the same thread (reason GSPR) was about; no exit of its own. */
export const EV_EXIT_IDLE = 59;
export const EV_EXIT_CACHE = 60;
export const EV_EXIT_CPUCFG = 61;
export const EV_EXIT_CSR = 62;

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
