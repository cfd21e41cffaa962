/** What is known of the host's threads: tid → process id and names. */

/** Most threads that are kept; hostile input must not grow the table without bound. */
export const MAX_THREADS = 1 << 20;

export interface ThreadInfo {
  readonly tid: number;
  /** tgid, or −1. */
  pid: number;
  /** Last known thread name (at most 15 bytes on Linux), or null. */
  comm: string | null;
  /** vCPU number that the recording states for this thread (trace.dat GUEST option), or −1. */
  vcpu: number;
  /** Name of the VM that the recording states for this thread, or null. */
  vm: string | null;
}

export interface ThreadTable {
  readonly byTid: Map<number, ThreadInfo>;
}

export function createThreadTable(): ThreadTable {
  return { byTid: new Map() };
}

/** The thread's entry, made if it is new. Beyond MAX_THREADS a throw-away entry is returned. */
export function threadOf(table: ThreadTable, tid: number): ThreadInfo {
  let info = table.byTid.get(tid);
  if (!info) {
    info = { tid, pid: -1, comm: null, vcpu: -1, vm: null };
    if (table.byTid.size < MAX_THREADS) table.byTid.set(tid, info);
  }
  return info;
}

/** Names that VMMs give their vCPU threads: QEMU (debug-threads=on), cloud-hypervisor, kvmtool, firecracker, crosvm. */
const VCPU_NAME =
  /^(?:CPU (\d{1,5})\/KVM|vcpu(\d{1,5})|kvm-vcpu-(\d{1,5})|fc_vcpu (\d{1,5})|crosvm_vcpu(\d{1,5}))$/;

/** vCPU number of a thread: as the recording states it, else from its name, else −1. */
export function vcpuOfThread(info: ThreadInfo): number {
  if (info.vcpu >= 0) return info.vcpu;
  const match = info.comm === null ? null : VCPU_NAME.exec(info.comm);
  const number = match?.slice(1).find((group) => group !== undefined);
  return number === undefined ? -1 : Number(number);
}
