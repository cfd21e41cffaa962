/** What is known of the host's threads: tid → process id and names. */
import { type Diagnostics, note } from './diagnostics.ts';

/** Most threads that are kept; hostile input must not grow the table without bound. */
export const MAX_THREADS = 1 << 20;
const NOT_KEPT =
  'times that the recording named a thread beyond the first 1,048,576: names and processes of such threads are not kept, so that what is filtered or grouped by them may be incomplete';

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
  /** Where threads are counted for which there is no room. */
  readonly diagnostics: Diagnostics | null;
}

export function createThreadTable(diagnostics: Diagnostics | null = null): ThreadTable {
  return { byTid: new Map(), diagnostics };
}

/** The thread's entry, made if it is new. Beyond MAX_THREADS a throw-away entry is returned. */
export function threadOf(table: ThreadTable, tid: number): ThreadInfo {
  let info = table.byTid.get(tid);
  if (!info) {
    info = { tid, pid: -1, comm: null, vcpu: -1, vm: null };
    if (hasRoom(table)) table.byTid.set(tid, info);
  }
  return info;
}

/** Whether one more thread can be kept; if not, that is counted. */
export function hasRoom({ byTid, diagnostics }: ThreadTable): boolean {
  if (byTid.size < MAX_THREADS) return true;
  if (diagnostics !== null) note(diagnostics, 'threads-not-kept', 'suspect', NOT_KEPT);
  return false;
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
