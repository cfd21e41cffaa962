/**
 * CPUID leaves. Sources: Intel SDM, CPUID instruction; AMD APM vol. 3, appendix E; Linux Documentation/virt/kvm/x86/
 * cpuid.rst; Hyper-V TLFS, hypervisor CPUID leaves.
 */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x0, 'vendor'],
  [0x1, 'version, features'],
  [0x2, 'cache and TLB'],
  [0x4, 'cache parameters'],
  [0x5, 'MONITOR/MWAIT'],
  [0x6, 'thermal, power'],
  [0x7, 'extended features'],
  [0xa, 'performance monitoring'],
  [0xb, 'topology'],
  [0xd, 'XSAVE state'],
  [0xf, 'resource monitoring'],
  [0x10, 'resource allocation'],
  [0x12, 'SGX'],
  [0x14, 'processor trace'],
  [0x15, 'TSC frequency'],
  [0x16, 'CPU frequency'],
  [0x18, 'TLB parameters'],
  [0x1a, 'hybrid'],
  [0x1d, 'AMX tiles'],
  [0x1f, 'topology v2'],
  [0x40000000, 'hypervisor vendor'],
  [0x40000001, 'KVM features / HV interface'],
  [0x40000003, 'HV features'],
  [0x40000004, 'HV recommendations'],
  [0x40000100, 'KVM vendor (beside HV)'],
  [0x40000101, 'KVM features (beside HV)'],
  [0x80000000, 'extended: highest leaf'],
  [0x80000001, 'extended features'],
  [0x80000002, 'brand'],
  [0x80000003, 'brand'],
  [0x80000004, 'brand'],
  [0x80000005, 'L1 cache'],
  [0x80000006, 'L2 cache'],
  [0x80000007, 'power, invariant TSC'],
  [0x80000008, 'address sizes'],
  [0x8000000a, 'SVM features'],
  [0x8000001d, 'cache topology'],
  [0x8000001e, 'AMD topology'],
  [0x8000001f, 'memory encryption'],
  [0x80000021, 'extended features 2'],
]);

export function cpuidName(leaf: number): string | null {
  return NAMES.get(leaf >>> 0) ?? null;
}
