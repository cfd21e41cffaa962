/**
 * Which recorded field of which event goes to which column. One table for all formats: binary records look the
 * names up in the recorded format description, text parsers write the same columns. Field names are those of the
 * kernel's tracepoint format files (include/trace/events/kvm.h, arch/ARCH/kvm/trace*.h); a column may list
 * several names because kernels renamed fields. docs/events.md explains the columns to readers of capture.arrow.
 */

/** Columns of 32 bits or less. */
export type NarrowColumn = 'vcpu' | 'isa' | 'code' | 'intrInfo' | 'errorCode';
/** Columns of 64 bits. */
export type WideColumn = 'address' | 'info1' | 'info2' | 'arg0' | 'arg1';
/** Fields that need arithmetic before they fit a column (see the binary decoder). */
export type SpecialColumn = 'armRet' | 'armClass' | 'scause' | 'sysReg';
export type FieldColumn = NarrowColumn | WideColumn | SpecialColumn;

export type EventFields = Readonly<Partial<Record<FieldColumn, string | readonly string[]>>>;

const EXIT_FIELDS: EventFields = {
  vcpu: 'vcpu_id',
  isa: 'isa',
  code: ['exit_reason', 'exit_code', 'reason', 'exit_nr'],
  address: ['guest_rip', 'rip', 'vcpu_pc', 'pc', 'sepc'],
  info1: ['info1', 'exit_info1', 'stval'],
  info2: ['info2', 'exit_info2', 'htval'],
  intrInfo: ['intr_info', 'exit_int_info'],
  errorCode: ['error_code', 'exit_int_info_err'],
  arg0: ['requests', 'htinst'],
  armRet: 'ret',
  armClass: 'esr_ec',
  scause: 'scause',
};

/** The GHCB's SW_EXITCODE, SW_EXITINFO1 and SW_EXITINFO2: an exit code of SVM, or from 0x80000000 on one of VMGEXIT's own. */
const VMGEXIT_FIELDS: EventFields = {
  vcpu: 'vcpu_id',
  address: 'exit_reason',
  info1: 'info1',
  info2: 'info2',
};

/** loongarch: says more about the exit before it. */
const SPECIAL_EXIT_FIELDS: EventFields = { vcpu: 'vcpu_id', address: 'pc', code: 'reason' };

const ENTRY_FIELDS: EventFields = {
  vcpu: 'vcpu_id',
  address: ['rip', 'vcpu_pc', 'pc'],
  intrInfo: 'intr_info',
  errorCode: 'error_code',
  arg0: 'immediate_exit',
};

export const RECORDED_FIELDS: Readonly<Record<string, EventFields>> = {
  kvm_exit: EXIT_FIELDS,
  kvm_exit_idle: SPECIAL_EXIT_FIELDS,
  kvm_exit_cache: SPECIAL_EXIT_FIELDS,
  kvm_exit_cpucfg: SPECIAL_EXIT_FIELDS,
  kvm_exit_csr: SPECIAL_EXIT_FIELDS,
  kvm_entry: ENTRY_FIELDS,
  kvm_enter: ENTRY_FIELDS,
  kvm_reenter: ENTRY_FIELDS,
  /** arg0 = errno as a signed 64-bit value; negative: KVM_RUN failed and `code` is stale. */
  kvm_userspace_exit: { code: 'reason', arg0: 'errno' },
  kvm_run_exit: { vcpu: 'cpu_index', code: 'reason' },
  kvm_nested_vmexit: EXIT_FIELDS,
  kvm_nested_vmexit_inject: EXIT_FIELDS,
  kvm_nested_vmenter: { isa: 'isa', address: 'rip', info1: 'vmcb', info2: 'nested_rip', arg0: 'guest_pgd' },
  kvm_nested_vmrun: { address: 'rip', info1: 'vmcb', info2: 'nested_rip' },
  kvm_nested_intr_vmexit: { address: 'rip' },
  /** code 0 read, 1 write; val is the first item only. */
  kvm_pio: { code: 'rw', address: 'port', info1: 'size', info2: 'count', arg0: 'val' },
  /** code 0 unsatisfied-read, 1 read, 2 write. */
  kvm_mmio: { code: 'type', address: 'gpa', info1: 'len', arg0: 'val' },
  kvm_fast_mmio: { address: 'gpa' },
  /** code 0 read, 1 write. */
  kvm_msr: { code: 'write', address: 'ecx', arg0: 'data', arg1: 'exception' },
  kvm_cpuid: { address: 'function', info1: 'index', code: 'found', arg0: 'rax', arg1: 'rbx' },
  /** code 0 read, 1 write. */
  kvm_cr: { code: 'rw', address: 'cr', arg0: 'val' },
  kvm_hypercall: { address: 'nr', arg0: 'a0', arg1: 'a1', info1: 'a2', info2: 'a3' },
  kvm_hv_hypercall: { address: 'code', code: 'fast', info1: 'ingpa', info2: 'outgpa' },
  kvm_xen_hypercall: { address: 'nr', arg0: 'a0', arg1: 'a1' },
  kvm_page_fault: { vcpu: 'vcpu_id', address: 'fault_address', info1: 'guest_rip', info2: 'error_code' },
  kvm_apic: { code: 'rw', address: 'reg', arg0: 'val' },
  /** arg0 = vector, signed: −1 means that none was in service. */
  kvm_eoi: { address: 'apicid', arg0: 'vector' },
  kvm_pv_eoi: { address: 'apicid', arg0: 'vector' },
  kvm_inj_virq: { address: ['irq', 'vector'], code: 'soft', arg0: 'reinjected' },
  kvm_inj_exception: { address: 'exception', code: 'has_error', errorCode: 'error_code', arg0: 'reinjected' },
  kvm_halt_poll_ns: { vcpu: 'vcpu_id', code: 'grow', arg0: 'new', arg1: 'old' },
  /** arg0 = ns; code 1: blocked ("wait"), 0: polled; arg1 = polling was valid. */
  kvm_vcpu_wakeup: { code: 'waited', arg0: 'ns', arg1: 'valid' },
  /** The record's own tid is the thread that leaves the CPU; address = thread that comes. */
  sched_switch: { address: 'next_pid', arg0: 'prev_pid', info1: 'prev_state' },
  sched_wakeup: { address: 'pid', arg0: 'target_cpu' },
  sched_waking: { address: 'pid', arg0: 'target_cpu' },
  kvm_ple_window_update: { vcpu: 'vcpu_id', arg0: 'new', arg1: 'old' },
  kvm_apic_accept_irq: { address: 'apicid', code: 'vec' },
  kvm_apic_ipi: { address: 'dest_id', code: 'icr_low' },
  kvm_avic_incomplete_ipi: { vcpu: 'vcpu', address: 'icrh', info1: 'icrl', code: 'id' },
  kvm_avic_unaccelerated_access: { vcpu: 'vcpu', address: 'offset', code: 'rw', arg0: 'vec' },
  kvm_vmgexit_enter: VMGEXIT_FIELDS,
  kvm_vmgexit_exit: VMGEXIT_FIELDS,
  /** address = the GHCB MSR, whose low 12 bits say what is asked for; arg0 = result, signed. */
  kvm_vmgexit_msr_protocol_enter: { vcpu: 'vcpu_id', address: 'ghcb_gpa' },
  kvm_vmgexit_msr_protocol_exit: { vcpu: 'vcpu_id', address: 'ghcb_gpa', arg0: 'result' },
  kvm_rmp_fault: {
    vcpu: 'vcpu_id',
    address: 'gpa',
    info1: 'pfn',
    info2: 'error_code',
    arg0: 'rmp_level',
    arg1: 'psmash_ret',
  },
  kvm_guest_fault: { address: 'ipa', info1: 'hsr', info2: 'hxfar', arg0: 'vcpu_pc' },
  /** address = system register packed as Op0<<16 | Op1<<12 | CRn<<8 | CRm<<4 | Op2; code 1 = write. */
  kvm_sys_access: { sysReg: 'Op0', code: 'is_write', info1: 'vcpu_pc' },
  kvm_hvc_arm64: { address: 'r0', info1: 'imm', arg0: 'vcpu_pc' },
  kvm_wfx_arm64: { code: 'is_wfe', address: 'vcpu_pc' },
  kvm_s390_sie_enter: { vcpu: 'id', address: 'pswaddr', info1: 'pswmask' },
  kvm_s390_sie_exit: { vcpu: 'id', code: 'icptcode', address: 'pswaddr', info1: 'pswmask' },
  kvm_guest_enter: { vcpu: 'vcpu_id', address: 'pc' },
  kvm_guest_exit: { vcpu: 'vcpu_id', code: 'trap', address: 'pc', info1: 'msr' },
  /** arg0 = the process. */
  kvmppc_run_vcpu_enter: { vcpu: 'vcpu_id', arg0: 'tgid' },
  kvm_timer_update_irq: { vcpu: 'vcpu_id', address: 'irq', code: 'level' },
  kvm_get_timer_map: { vcpu: 'vcpu_id' },
};
