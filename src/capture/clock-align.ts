/**
 * Aligns a QEMU trace with a kernel capture of the same run when their clocks differ. Per vCPU thread,
 * `kvm_userspace_exit` without error equals QEMU's `kvm_run_exit` one to one (spec §3), so both sides hold the same
 * sequence of reasons with nearly the same gaps: gaps are the fingerprint that finds the offset between the clocks.
 */
import { type EventBatch, F_ARG0 } from '../core/event-batch.ts';
import { EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../core/events.ts';
import { wordsToBigInt } from '../core/words.ts';

/** Exits that are kept of each side; enough to be sure, and bounded. */
const MAX_EXITS = 200_000;
/** Anchors that vote for an offset, and candidates that each may vote for. */
const MAX_ANCHORS = 4000;
const MAX_CANDIDATES = 256;
/** Width of a vote's bucket, ns: far above the delay between the two events (about 1 µs), far below real offsets. */
const VOTE_NS = 1_000_000;

/** Exits to user space seen from one side, in order of time. */
export interface ExitSequence {
  /** Absolute time of the first exit, ns; times are relative to it. */
  base: bigint | null;
  readonly times: number[];
  readonly reasons: number[];
  /** The vCPU thread: tid on the kernel's side, vCPU number on QEMU's. */
  readonly keys: number[];
  readonly event: number;
}

export interface Alignment {
  /** ns to add to QEMU's times to be on the kernel's clock. */
  readonly offsetNs: bigint;
  /** Exits of QEMU's that have a kernel exit of the same reason beside them, and all in the time that both cover. */
  readonly matched: number;
  readonly total: number;
  /** Middle 80 % of the remaining differences lie this close together, ns. */
  readonly spreadNs: number;
  /** No other offset comes near, and at least nine of ten match. */
  readonly sure: boolean;
}

export function createExitSequence(side: 'kernel' | 'qemu'): ExitSequence {
  const event = side === 'kernel' ? EV_USERSPACE_EXIT : EV_RUN_EXIT;
  return { base: null, times: [], reasons: [], keys: [], event };
}

/** Takes the exits of a batch; false when enough are there. */
export function addToSequence(sequence: ExitSequence, batch: EventBatch): boolean {
  for (let row = 0; row < batch.length; row++) {
    if (batch.event[row] !== sequence.event) continue;
    // A negative errno: KVM_RUN failed, QEMU does not trace that.
    if (sequence.event === EV_USERSPACE_EXIT && batch.fields[row] & F_ARG0 && (batch.arg0[2 * row] | 0) < 0)
      continue;
    const time = wordsToBigInt(batch.time[2 * row], batch.time[2 * row + 1]);
    sequence.base ??= time;
    sequence.times.push(Number(time - sequence.base));
    sequence.reasons.push(batch.code[row]);
    sequence.keys.push(sequence.event === EV_USERSPACE_EXIT ? batch.tid[row] : batch.vcpu[row]);
  }
  return sequence.times.length < MAX_EXITS;
}

/** The offset between the clocks; null where the two sides have too little in common. */
export function alignSequences(kernel: ExitSequence, qemu: ExitSequence): Alignment | null {
  if (kernel.base === null || qemu.base === null) return null;
  const votes = vote(kernel, qemu);
  const ranked = [...votes].sort((a, b) => b[1].length - a[1].length);
  if (ranked.length === 0 || ranked[0][1].length < 2) return null;
  const [best, offsets] = ranked[0];
  const rough = median(offsets);
  const differences = matchAt(kernel, qemu, rough);
  if (differences.matched.length === 0) return null;
  const shift = median(differences.matched);
  const rival = ranked.find(([bucket]) => Math.abs(bucket - best) > 1)?.[1].length ?? 0;
  const total = differences.total;
  return {
    offsetNs: kernel.base - qemu.base - BigInt(Math.round(rough + shift)),
    matched: differences.matched.length,
    total,
    spreadNs: spread(differences.matched),
    sure: 2 * rival < offsets.length && differences.matched.length >= 0.9 * total,
  };
}

/** How well the two sides fit as they are: for clocks that are known to be one. Null where they share no time. */
export function matchUnshifted(
  kernel: ExitSequence,
  qemu: ExitSequence,
): Pick<Alignment, 'matched' | 'total' | 'spreadNs'> | null {
  if (kernel.base === null || qemu.base === null) return null;
  const { matched, total } = matchAt(kernel, qemu, Number(kernel.base - qemu.base));
  return total === 0 ? null : { matched: matched.length, total, spreadNs: spread(matched) };
}

/** Offsets (QEMU relative − kernel relative time) by bucket, from pairs of exits with like gaps before and after. */
function vote(kernel: ExitSequence, qemu: ExitSequence): Map<number, number[]> {
  const index = new Map<string, number[]>();
  forEachFingerprint(qemu, 1, (print, i) => {
    const list = index.get(print);
    if (!list) index.set(print, [i]);
    else if (list.length < MAX_CANDIDATES) list.push(i);
  });
  const votes = new Map<number, number[]>();
  const step = Math.max(1, Math.floor(kernel.times.length / MAX_ANCHORS));
  forEachFingerprint(kernel, step, (print, i) => {
    for (const j of index.get(print) ?? []) {
      const offset = qemu.times[j] - kernel.times[i];
      const bucket = Math.round(offset / VOTE_NS);
      const list = votes.get(bucket);
      if (list) list.push(offset);
      else votes.set(bucket, [offset]);
    }
  });
  return votes;
}

/** Reason and next reason of an exit's thread with the gap between them to about 6 %. */
function forEachFingerprint(
  sequence: ExitSequence,
  step: number,
  visit: (print: string, index: number) => void,
): void {
  const last = new Map<number, number>();
  for (let i = 0; i < sequence.times.length; i++) {
    const before = last.get(sequence.keys[i]);
    last.set(sequence.keys[i], i);
    if (before === undefined || before % step !== 0) continue;
    const gap = sequence.times[i] - sequence.times[before];
    if (gap < 1000) continue;
    visit(`${sequence.reasons[before]} ${sequence.reasons[i]} ${Math.round(Math.log2(gap) * 12)}`, before);
  }
}

/** Differences left at an offset between exits of the same reason that are nearest in time. */
function matchAt(
  kernel: ExitSequence,
  qemu: ExitSequence,
  offset: number,
): { matched: number[]; total: number } {
  const matched: number[] = [];
  let total = 0;
  const first = kernel.times[0] + offset - VOTE_NS;
  const last = kernel.times[kernel.times.length - 1] + offset + VOTE_NS;
  let from = 0;
  for (let j = 0; j < qemu.times.length; j++) {
    const time = qemu.times[j];
    if (time < first || time > last) continue;
    total++;
    while (from < kernel.times.length && kernel.times[from] + offset < time - VOTE_NS) from++;
    let best = Number.POSITIVE_INFINITY;
    for (let i = from; i < kernel.times.length && kernel.times[i] + offset <= time + VOTE_NS; i++) {
      const difference = time - kernel.times[i] - offset;
      if (kernel.reasons[i] === qemu.reasons[j] && Math.abs(difference) < Math.abs(best)) best = difference;
    }
    if (Number.isFinite(best)) matched.push(best);
  }
  return { matched, total };
}

/** Width of the middle 80 %. */
function spread(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.slice().sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  return at(0.9) - at(0.1);
}

function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
