/**
 * Pairing in parts. A recording is cut between any two events, each part is paired on its own, and joining consecutive
 * parts gives the exits that one pass gives:
 *
 * - Of each thread whose exit is open at the end of a part that exit is kept as it stands (`tail`), and of a later part
 *   the thread's events up to its first entry, or before its first exit (`head`). Joining goes on with the tail through
 *   the head.
 * - A pair that waits for what a CPU reports next (pairing-losses.ts) waits for the next part's word. A pair of a later
 *   part whose entry's CPU has recorded nothing before the exit may lie in a loss that an earlier part saw begin: it is
 *   held until that is known.
 *
 * What an earlier part alone was told of a thread's process and vCPU is filled in for joined exits and by fillThreads();
 * a selection or grouping by such numbers needs the thread table, as in one pass over events that do not carry them.
 */
import { hadLossBefore, isOpen, LOSS, mergeCpuLosses, NOTHING, nextOn, RECORD } from './cpu-losses.ts';
import { EXIT_WITHOUT_ENTRY, type ExitBatch, INVALIDATED_BY_LOSS } from './exit-batch.ts';
import { createPairing, finishPairing, type Pairing, pairBatch } from './pairing.ts';
import {
  BY_EXIT,
  compareAt,
  copyTime,
  createPartThread,
  type Joiner,
  type LastingLoss,
  type PairingPart,
  type PartThread,
  singleExit,
} from './pairing-part.ts';
import { addThread, IS_OPEN, STRIDE } from './pairing-state.ts';
import { slotOf } from './thread-slots.ts';

/**
 * Adds the next part, which saw `cpus`; both have been closed. What joining decides goes to the sink of the part that it
 * belongs to.
 */
export function joinParts(part: PairingPart, next: PairingPart, cpus: readonly number[]): void {
  if (!next.later) throw new Error('only a later part can be joined');
  for (const held of part.held.splice(0)) {
    const cpu = held.row.exitCpu[0];
    const coming = nextOn(next.losses, cpu, -1);
    if (coming === NOTHING) part.held.push(held);
    else settle(part, held.row, coming === LOSS && lostAfter(part, next, cpu, held.row));
  }
  joinThreads(part, next);
  for (const held of next.held) {
    fillThreads(part, held.row);
    const lost = held.waitsForEarlier && overlapsLoss(part, held.row.entryCpu[0], held.row);
    if (lost || !held.waitsForNext) settle(next, held.row, lost);
    else part.held.push({ ...held, waitsForEarlier: false });
  }
  addCounts(part.pairing, next.pairing);
  for (const thread of next.threads.values()) followThread(part, thread);
  mergeTimes(part, next, cpus);
  mergeCpuLosses(part.losses, next.losses, cpus);
  part.dropped += next.dropped;
}

function settle({ sink }: PairingPart, row: ExitBatch, lost: boolean): void {
  if (lost) {
    row.state[0] = INVALIDATED_BY_LOSS;
    row.latency[0] = 0;
    row.userspaceNs[0] = 0;
  }
  sink(row);
}

/** Whether the CPU's next event, a loss of the next part, began before the pair's entry. */
function lostAfter(part: PairingPart, next: PairingPart, cpu: number, row: ExitBatch): boolean {
  const start = next.losses.beforeFirstLoss[cpu] >= 0 ? next.times.beforeLoss : part.times.last;
  return compareAt(start, cpu, row.entryTime, 0) < 0;
}

/** Whether the CPU's latest loss goes beyond the exit. */
function overlapsLoss({ losses, times }: PairingPart, cpu: number, row: ExitBatch): boolean {
  return (
    isOpen(losses, cpu) || (losses.lossEnd[cpu] >= 0 && compareAt(times.lossEnd, cpu, row.exitTime, 0) > 0)
  );
}

/** Ends tails with the heads behind them: one exit per thread. */
function joinThreads(part: PairingPart, next: PairingPart): void {
  const ended: PartThread[] = [];
  for (const { tid, tail } of part.threads.values()) {
    const head = next.threads.get(tid);
    if (tail !== null && head !== undefined && head.headEnd !== 0) ended.push(head);
  }
  const exits = new Map<number, ExitBatch>();
  const joiner = joinerOf(part);
  for (const head of ended) replay(part, joiner, head);
  for (const row of finishJoiner(joiner)) exits.set(row.tid[0], row);
  for (const head of ended) {
    const row = exits.get(head.tid)!;
    fillThreads(part, row);
    if (head.headEnd === BY_EXIT) {
      row.state[0] = EXIT_WITHOUT_ENTRY;
      part.sink(row);
      continue;
    }
    if (head.headCounted !== false) part.pairing.counts.entryWithoutExit--;
    decide(part, next, row, head.headRow);
  }
}

/** Pairing for what lies around the cuts, in the part's arena. */
function joinerOf(part: PairingPart): Joiner {
  if (part.joiner === null) {
    const rows: ExitBatch[] = [];
    const sink = (batch: ExitBatch) => {
      for (let row = 0; row < batch.length; row++) rows.push(singleExit(batch, row));
    };
    const pairing = createPairing(part.threadTable, sink, null, part.pairing.arena);
    // Open exits may have seen either.
    pairing.sawUserspace = pairing.sawDetail = true;
    part.joiner = { pairing, rows };
  }
  return part.joiner;
}

/** The exits that the joiner has decided; it is empty then. */
function finishJoiner({ pairing, rows }: Joiner): ExitBatch[] {
  finishPairing(pairing);
  return rows.splice(0);
}

/** Goes on with a thread's open exit through its head of the next part; returns the joiner's slot of the thread. */
function replay(part: PairingPart, { pairing }: Joiner, { tid, head, headDropped }: PartThread): number {
  part.dropped += headDropped;
  const slot = openTail(pairing, tid, part.threads.get(tid)!.tail!);
  if (head !== null && head.length > 0) pairBatch(pairing, head);
  return slot;
}

/** Makes a tail the thread's open exit; returns its slot. */
function openTail(pairing: Pairing, tid: number, tail: Uint32Array): number {
  const slot = slotOf(pairing.slots, tid);
  if (slot >= pairing.slotsKnown) addThread(pairing, slot);
  pairing.open.set(tail, slot * STRIDE);
  return slot;
}

/** What losses do to a pair whose entry is row `at` of the next part. */
function decide(part: PairingPart, next: PairingPart, row: ExitBatch, at: number): void {
  const exitCpu = row.exitCpu[0];
  const entryCpu = row.entryCpu[0];
  if (compareAt(row.exitTime, 0, row.entryTime, 0) === 0) settle(part, row, false);
  else if (liesInLoss(part, next, entryCpu, row, at) || liesInLoss(part, next, exitCpu, row, at))
    settle(part, row, true);
  else if (exitCpu === entryCpu) settle(part, row, false);
  else {
    // A loss before the entry, if any, ended by the time of the exit.
    const lasting = lastingLoss(next, exitCpu, row);
    const coming =
      lasting === null ? nextOn(next.losses, exitCpu, at) : nextAfter(next, exitCpu, lasting, at);
    if (coming === NOTHING) part.held.push({ row, waitsForNext: true, waitsForEarlier: false });
    else if (coming !== LOSS) settle(part, row, false);
    else if (lasting === null) settle(part, row, lostAfter(part, next, exitCpu, row));
    else settle(part, row, compareAt(lasting.time, 0, row.entryTime, 0) < 0);
  }
}

/** Whether a loss on the CPU that began before the entry, row `at` of the next part, goes beyond the exit. */
function liesInLoss(part: PairingPart, next: PairingPart, cpu: number, row: ExitBatch, at: number): boolean {
  const { losses, times } = next;
  const lasting = lastingLoss(next, cpu, row);
  if (lasting === null ? hadLossBefore(losses, cpu, at) : lasting.row < at) return true;
  if (!isOpen(part.losses, cpu)) return overlapsLoss(part, cpu, row);
  return losses.first[cpu] > at || compareAt(times.first, cpu, row.exitTime, 0) > 0;
}

/**
 * The CPU's first loss of the next part that can go beyond the exit, where that need not be its first one: the exit has
 * the time at which that part begins, and a record of that time ended a loss. Else null.
 */
function lastingLoss({ start, endedAtStart }: PairingPart, cpu: number, row: ExitBatch): LastingLoss | null {
  const isAtStart = start !== null && row.exitTime[0] === start[0] && row.exitTime[1] === start[1];
  return isAtStart ? (endedAtStart.get(cpu) ?? null) : null;
}

/** What comes on the CPU after row `at`, behind which the loss lies. */
function nextAfter({ losses }: PairingPart, cpu: number, loss: LastingLoss, at: number): number {
  if (!Number.isFinite(loss.row)) return losses.last[cpu] > at ? RECORD : NOTHING;
  return loss.before > at ? RECORD : LOSS;
}

function addCounts({ counts }: Pairing, { counts: more }: Pairing): void {
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += more[key];
}

/** What a thread leaves open is what the later part left open, or what both have seen of an exit that goes on. */
function followThread(part: PairingPart, next: PartThread): void {
  let thread = part.threads.get(next.tid);
  if (thread === undefined) {
    thread = createPartThread(next.tid, part.later);
    part.threads.set(next.tid, thread);
  }
  if (next.vcpu >= 0) thread.vcpu = next.vcpu;
  if (next.pid >= 0) thread.pid = next.pid;
  if (next.headEnd !== 0) thread.tail = next.tail;
  else if (thread.tail !== null) {
    const { pairing } = joinerOf(part);
    const at = replay(part, joinerOf(part), next) * STRIDE;
    thread.tail = pairing.open.slice(at, at + STRIDE);
    pairing.open[at + IS_OPEN] = 0;
  }
}

function mergeTimes(part: PairingPart, next: PairingPart, cpus: readonly number[]): void {
  const { times, losses } = part;
  const { times: more, losses: later } = next;
  for (const cpu of cpus) {
    const hasRecord = later.last[cpu] >= 0;
    if (isOpen(losses, cpu) && hasRecord) copyTime(more.first, times.lossEnd, cpu);
    if (later.lossEnd[cpu] >= 0) copyTime(more.lossEnd, times.lossEnd, cpu);
    if (!hasRecord) continue;
    if (losses.last[cpu] < 0) copyTime(more.first, times.first, cpu);
    copyTime(more.last, times.last, cpu);
  }
}

/** Puts in what the part was told of the threads of rows that do not say. */
export function fillThreads({ threads }: PairingPart, rows: ExitBatch): void {
  for (let row = 0; row < rows.length; row++) {
    if (rows.vcpu[row] >= 0 && rows.pid[row] >= 0) continue;
    const thread = threads.get(rows.tid[row]);
    if (thread === undefined) continue;
    if (rows.vcpu[row] < 0) rows.vcpu[row] = thread.vcpu;
    if (rows.pid[row] < 0) rows.pid[row] = thread.pid;
  }
}

/** The recording has ended: what is open stays open, pairs that wait stand. */
export function finishParts(part: PairingPart): void {
  for (const { row } of part.held.splice(0)) part.sink(row);
  const joiner = joinerOf(part);
  for (const { tid, tail } of part.threads.values()) if (tail !== null) openTail(joiner.pairing, tid, tail);
  for (const row of finishJoiner(joiner)) {
    fillThreads(part, row);
    part.sink(row);
  }
}
