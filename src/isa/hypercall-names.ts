/**
 * Hypercalls by number. Sources: Linux include/uapi/linux/kvm_para.h (kvm_hypercall), include/hyperv/hvgdk_mini.h, in
 * 6.12 and before include/asm-generic/hyperv-tlfs.h (call code, kvm_hv_hypercall), the SMC calling convention (ARM DEN
 * 0028) and PSCI (DEN 0022) for arm64's HVC/SMC function ids.
 */
const KVM: ReadonlyMap<number, string> = new Map([
  [1, 'KVM_HC_VAPIC_POLL_IRQ'],
  [2, 'KVM_HC_MMU_OP'],
  [3, 'KVM_HC_FEATURES'],
  [5, 'KVM_HC_KICK_CPU'],
  [9, 'KVM_HC_CLOCK_PAIRING'],
  [10, 'KVM_HC_SEND_IPI'],
  [11, 'KVM_HC_SCHED_YIELD'],
  [12, 'KVM_HC_MAP_GPA_RANGE'],
]);

const HYPERV: ReadonlyMap<number, string> = new Map([
  [0x0002, 'HvFlushVirtualAddressSpace'],
  [0x0003, 'HvFlushVirtualAddressList'],
  [0x0008, 'HvNotifyLongSpinWait'],
  [0x000b, 'HvSendSyntheticClusterIpi'],
  [0x0013, 'HvFlushVirtualAddressSpaceEx'],
  [0x0014, 'HvFlushVirtualAddressListEx'],
  [0x0015, 'HvSendSyntheticClusterIpiEx'],
  [0x005c, 'HvPostMessage'],
  [0x005d, 'HvSignalEvent'],
  [0x0069, 'HvPostDebugData'],
  [0x006a, 'HvRetrieveDebugData'],
  [0x006b, 'HvResetDebugSession'],
  [0x00af, 'HvFlushGuestPhysicalAddressSpace'],
  [0x00b0, 'HvFlushGuestPhysicalAddressList'],
]);

const PSCI = [
  'VERSION',
  'CPU_SUSPEND',
  'CPU_OFF',
  'CPU_ON',
  'AFFINITY_INFO',
  'MIGRATE',
  'MIGRATE_INFO_TYPE',
  'MIGRATE_INFO_UP_CPU',
  'SYSTEM_OFF',
  'SYSTEM_RESET',
  'FEATURES',
  'CPU_FREEZE',
  'CPU_DEFAULT_SUSPEND',
  'NODE_HW_STATE',
  'SYSTEM_SUSPEND',
];

const SMCCC: ReadonlyMap<number, string> = new Map([
  [0x80000000, 'SMCCC_VERSION'],
  [0x80000001, 'SMCCC_ARCH_FEATURES'],
  [0x80000002, 'SMCCC_ARCH_SOC_ID'],
  [0x80003fff, 'SMCCC_ARCH_WORKAROUND_3'],
  [0x80007fff, 'SMCCC_ARCH_WORKAROUND_2'],
  [0x80008000, 'SMCCC_ARCH_WORKAROUND_1'],
  [0x84000050, 'TRNG_VERSION'],
  [0x84000051, 'TRNG_FEATURES'],
  [0x84000052, 'TRNG_GET_UUID'],
  [0x84000053, 'TRNG_RND32'],
  [0xc4000053, 'TRNG_RND64'],
  [0xc5000020, 'PV_TIME_FEATURES'],
  [0xc5000021, 'PV_TIME_ST'],
  [0x8600ff01, 'KVM vendor UID'],
  [0x86000000, 'KVM features'],
  [0x86000001, 'KVM PTP'],
]);

export function kvmHypercallName(nr: number): string | null {
  return KVM.get(nr) ?? null;
}

export function hypervHypercallName(code: number): string | null {
  return HYPERV.get(code & 0xffff) ?? null;
}

/** Function id in r0/x0 of an HVC or SMC. */
export function hvcName(id: number): string | null {
  const known = SMCCC.get(id >>> 0);
  if (known !== undefined) return known;
  const base = id >>> 0;
  if (base >= 0x84000000 && base <= 0x8400000e) return `PSCI_${PSCI[base - 0x84000000]}`;
  if (base >= 0xc4000000 && base <= 0xc400000e) return `PSCI_${PSCI[base - 0xc4000000]} (64)`;
  return null;
}
