/**
 * ppc, Book3S HV: gives `kvm_guest_enter` and `kvm_guest_exit` the thread of their vCPU. The vCPUs of a core enter and
 * leave the guest together, and one of their threads traces that for all of them (kvmppc_run_core() and
 * post_guest_process() of arch/powerpc/kvm/book3s_hv.c, for each runnable thread), so that the recorded thread is any
 * of them. Pairing is by thread; here, before pairing, the events get the one that their vCPU belongs to.
 *
 * A vCPU's own thread is told by `kvmppc_run_vcpu_enter`, else by the thread's name, else it is the first thread that
 * runs the vCPU and no other had (POWER9 and later: one vCPU per thread). What is left gets a number of its own.
 */
import { note } from '../core/diagnostics.ts';
import { type EventBatch, F_ARG0 } from '../core/event-batch.ts';
import { EV_PPC_GUEST_ENTER, EV_PPC_GUEST_EXIT } from '../core/events.ts';
import { vcpuOfThread } from '../core/thread-table.ts';
import type { TraceContext } from '../core/trace-context.ts';

/** Above any thread number of Linux (PID_MAX_LIMIT is 2²²). */
const FIRST_STAND_IN = 0x40000000;
/** Most threads, and so vCPUs, that are followed; beyond, events keep the recorded thread. */
const MAX_VCPUS = 65536;

export interface VcpuThreads {
  readonly context: TraceContext;
  /** Thread of each vCPU, by `process vcpu`. */
  readonly threads: Map<string, number>;
  /** The vCPU that a thread belongs to, as a key of `threads`. */
  readonly vcpus: Map<number, string>;
  /** Process of a thread as events told it. */
  readonly pids: Map<number, number>;
  standIns: number;
  /** Names that may still be looked at: hostile input must not make that take long. */
  budget: number;
}

export function createVcpuThreads(context: TraceContext): VcpuThreads {
  return { context, threads: new Map(), vcpus: new Map(), pids: new Map(), standIns: 0, budget: 20_000_000 };
}

/** Changes `tid` of the batch's rows in place. */
export function assignThreads(state: VcpuThreads, batch: EventBatch): void {
  const runEnter = state.context.events.codes.get('kvmppc_run_vcpu_enter') ?? 0;
  const { event, tid, vcpu } = batch;
  for (let row = 0; row < batch.length; row++) {
    const code = event[row];
    if (code !== EV_PPC_GUEST_EXIT && code !== EV_PPC_GUEST_ENTER && (code !== runEnter || runEnter === 0))
      continue;
    if (vcpu[row] < 0 || tid[row] < 0) continue;
    if (code === runEnter) {
      if (state.vcpus.size >= MAX_VCPUS && !state.vcpus.has(tid[row])) continue;
      if (batch.fields[row] & F_ARG0) state.pids.set(tid[row], batch.arg0[2 * row]);
      own(state, keyOf(state, batch, row), tid[row]);
    } else tid[row] = threadOf(state, batch, row);
  }
}

function keyOf(state: VcpuThreads, batch: EventBatch, row: number): string {
  const tid = batch.tid[row];
  const pid = batch.pid[row] >= 0 ? batch.pid[row] : (state.pids.get(tid) ?? pidOf(state, tid));
  return `${pid} ${batch.vcpu[row]}`;
}

function pidOf({ context }: VcpuThreads, tid: number): number {
  return context.threads.byTid.get(tid)?.pid ?? -1;
}

/** From now on the thread is the vCPU's, whatever was assumed. */
function own(state: VcpuThreads, key: string, tid: number): void {
  const other = state.vcpus.get(tid);
  if (other === key) return;
  if (other !== undefined) state.threads.delete(other);
  state.vcpus.set(tid, key);
  state.threads.set(key, tid);
}

function threadOf(state: VcpuThreads, batch: EventBatch, row: number): number {
  const key = keyOf(state, batch, row);
  const known = state.threads.get(key);
  if (known !== undefined) return known;
  const tid = batch.tid[row];
  if (state.vcpus.size >= MAX_VCPUS) return tid;
  const named = threadByName(state, key, batch.vcpu[row]);
  if (named >= 0) own(state, key, named);
  else if (!state.vcpus.has(tid)) own(state, key, tid);
  else own(state, key, standIn(state, batch, row));
  return state.threads.get(key)!;
}

/** The thread that is called after the vCPU, in its process; −1 if there is none or several. */
function threadByName(state: VcpuThreads, key: string, vcpu: number): number {
  const { context, pids, vcpus } = state;
  state.budget -= context.threads.byTid.size;
  if (state.budget < 0) return -1;
  let found = -1;
  for (const info of context.threads.byTid.values()) {
    if (vcpuOfThread(info) !== vcpu || vcpus.has(info.tid)) continue;
    if (`${pids.get(info.tid) ?? info.pid} ${vcpu}` !== key) continue;
    if (found >= 0) return -1;
    found = info.tid;
  }
  return found;
}

function standIn(state: VcpuThreads, batch: EventBatch, row: number): number {
  note(
    state.context.diagnostics,
    'vcpus-without-thread',
    'info',
    `vCPUs whose own thread is not recorded: they have numbers from ${FIRST_STAND_IN} on instead; record kvm_hv:kvmppc_run_vcpu_enter too, or name vCPU threads (QEMU: -name debug-threads=on)`,
  );
  const tid = FIRST_STAND_IN + state.standIns++;
  const pid = Number(keyOf(state, batch, row).split(' ')[0]);
  if (pid >= 0) state.pids.set(tid, pid);
  return tid;
}
