/** Who a thread is: what events told, else what the recording states of it. */
import { vcpuOfThread } from '../core/thread-table.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { ReportModel } from './model.ts';

export interface ThreadIdentity {
  pid: number | null;
  tid: number;
  vcpu: number | null;
  comm: string | null;
  vm: string | null;
}

/** Numbers of vCPUs by thread as the exits have them: other events between exit and entry may tell them as well. */
export function vcpuNumbers({ vcpus }: ReportModel): ReadonlyMap<number, number> {
  return new Map(vcpus.flatMap(({ tid, vcpu }) => (vcpu === null ? [] : [[tid, vcpu] as const])));
}

/** `pid` and `vcpu` as events told them, −1 where they did not; `numbers`: of vcpuNumbers. */
export function identifyThread(
  { threads }: TraceContext,
  { tid, pid, vcpu }: { readonly tid: number; readonly pid: number; readonly vcpu: number },
  numbers?: ReadonlyMap<number, number>,
): ThreadIdentity {
  const info = threads.byTid.get(tid);
  const orNull = (value: number) => (value < 0 ? null : value);
  return {
    pid: orNull(pid >= 0 || !info ? pid : info.pid),
    tid,
    vcpu: orNull(vcpu >= 0 || !info ? vcpu : vcpuOfThread(info)) ?? numbers?.get(tid) ?? null,
    comm: info?.comm ?? null,
    vm: info?.vm ?? null,
  };
}

/** By VM, vCPU and thread number. */
export function compareThreads(a: ThreadIdentity, b: ThreadIdentity): number {
  return (a.pid ?? -1) - (b.pid ?? -1) || (a.vcpu ?? -1) - (b.vcpu ?? -1) || a.tid - b.tid;
}
