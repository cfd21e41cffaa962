/** Which threads a selection leaves in, for passes over events: a thread's process and vCPU may be known only late. */
import { vcpuOfThread } from '../core/thread-table.ts';
import { compareWords } from '../core/words.ts';
import type { PassScope, VcpuNumbers } from './pass.ts';

/** `pid` and `vcpu` as events told them, −1 where they did not; `numbers`: of threads, from events that a pass does not see. */
export function threadInScope(
  { selection, threads }: PassScope,
  tid: number,
  pid: number,
  vcpu: number,
  numbers?: VcpuNumbers,
): boolean {
  if (selection === null) return true;
  const { tids, pids, vcpus } = selection;
  if (tids !== null && !tids.has(tid)) return false;
  if (pids === null && vcpus === null) return true;
  const info = threads?.byTid.get(tid);
  const process = pid >= 0 || !info ? pid : info.pid;
  const told = vcpu >= 0 || !info ? vcpu : vcpuOfThread(info);
  const number = told >= 0 ? told : (numbers?.get(tid) ?? told);
  return (pids === null || pids.has(process)) && (vcpus === null || vcpus.has(number));
}

/** As threadInScope(); null: that depends on the thread's vCPU number, which nothing has told yet. */
export function threadVerdict(scope: PassScope, tid: number, pid: number, vcpu: number): boolean | null {
  if (threadInScope(scope, tid, pid, vcpu)) return true;
  const { selection, threads } = scope;
  if (!selection?.vcpus || vcpu >= 0) return false;
  const info = threads?.byTid.get(tid);
  if (info && vcpuOfThread(info) >= 0) return false;
  return threadInScope({ ...scope, selection: { ...selection, vcpus: null } }, tid, pid, vcpu) ? null : false;
}

export function timeInScope({ selection }: PassScope, low: number, high: number): boolean {
  if (selection === null) return true;
  const { from, to } = selection;
  return (
    (from === null || compareWords(low, high, from[0], from[1]) >= 0) &&
    (to === null || compareWords(low, high, to[0], to[1]) < 0)
  );
}
