/**
 * Aligns a QEMU trace with a kernel capture of the same run when their clocks differ. Per vCPU thread,
 * `kvm_userspace_exit` without error equals QEMU's `kvm_run_exit` one to one (docs/semantics.md), so both sides hold the same
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
/**
 * Width of the steps, ns, by which the offset is looked for within a bucket. A guest that polls a port exits every few µs,
 * so that many exits of like gaps lie in one bucket: only at the true offset are the differences as steady as the delay.
 */
const FINE_NS = 1000;
/** Steps that count together: QEMU's log has whole µs. */
const FINE_STEPS = 3;
/** Exits that are compared for it. */
const MAX_FINE = 4000;
/**
 * From kvm_userspace_exit to QEMU's kvm_run_exit where nothing comes between, ns (600 to 1200 were measured). QEMU's word
 * must not come first, or it looks like one for another exit: so the quickest lie that far apart.
 */
const RETURN_NS = 600;
/** How much quicker than most they are at most, ns, and the least part of the commonest delay that counts. */
const QUICKER_NS = 20_000;
const QUICKEST_PART = 0.05;

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
  /** ns to add to the second side's times so that its events lie on those of the first, half of them earlier. */
  readonly offsetNs: bigint;
  /** The same, but so that the second side's events follow those of the first as QEMU's exits do the kernel's. */
  readonly followingNs: bigint;
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
  const rough = steadiest(kernel, qemu, quantile(offsets, 0.5));
  const differences = matchAt(kernel, qemu, rough);
  if (differences.matched.length === 0) return null;
  const offsetOf = (shift: number) => kernel.base! - qemu.base! - BigInt(Math.round(rough + shift));
  const rival = ranked.find(([bucket]) => Math.abs(bucket - best) > 1)?.[1].length ?? 0;
  const total = differences.total;
  return {
    offsetNs: offsetOf(quantile(differences.matched, 0.5)),
    followingNs: offsetOf(quickest(differences.matched) - RETURN_NS),
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

/** The offset near `rough` at which most exits of the same reason lie equally far apart. */
function steadiest(kernel: ExitSequence, qemu: ExitSequence, rough: number): number {
  const half = Math.ceil((1.5 * VOTE_NS) / FINE_NS);
  const counts = new Float64Array(2 * half + FINE_STEPS);
  const step = Math.max(1, Math.floor(kernel.times.length / MAX_FINE));
  let from = 0;
  for (let i = 0; i < kernel.times.length; i += step) {
    const time = kernel.times[i] + rough;
    while (from < qemu.times.length && qemu.times[from] < time - half * FINE_NS) from++;
    for (let j = from; j < qemu.times.length && qemu.times[j] < time + half * FINE_NS; j++)
      if (kernel.reasons[i] === qemu.reasons[j])
        counts[Math.floor((qemu.times[j] - time) / FINE_NS) + half]++;
  }
  let best = -1;
  let most = 0;
  let sum = 0;
  for (let at = 0; at < counts.length; at++) {
    sum += counts[at] - (at >= FINE_STEPS ? counts[at - FINE_STEPS] : 0);
    if (sum <= most) continue;
    most = sum;
    best = at;
  }
  return best < 0 ? rough : rough + (best + 1 - FINE_STEPS / 2 - half) * FINE_NS;
}

/** The shortest delay that is no accident, as those of exits with another one's word nearest to them are. */
function quickest(differences: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const difference of differences) {
    const step = Math.floor(difference / FINE_NS);
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  const [[peak, most]] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const steps = [...counts].filter(
    ([step, count]) => step >= peak - QUICKER_NS / FINE_NS && count >= QUICKEST_PART * most,
  );
  const first = Math.min(...steps.map(([step]) => step)) * FINE_NS;
  return differences.reduce((least, d) => (d >= first && d < least ? d : least), Number.POSITIVE_INFINITY);
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
  return values.length === 0 ? 0 : quantile(values, 0.9) - quantile(values, 0.1);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.slice().sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
