/**
 * Codes of well-known tracepoints, the same in every capture (events.ts has their names). Plain constants only, which
 * kernels share.
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
/** SEV-ES: what the guest asks for by a VMGEXIT, behind the kvm_exit that says no more than that. */
export const EV_VMGEXIT_ENTER = 63;
