/**
 * Pairing in parts. A recording is cut between any two events, each part is paired on its own, and joining consecutive
 * parts gives the exits that one pass gives:
 *
 * - Of each thread whose exit is open at the end of a part the events from that exit on are kept (`tails`), and of a
 *   later part those up to the thread's first entry, or before its first exit (`heads`). A tail with the head behind it
 *   is paired like any other events.
 * - A pair that waits for what a CPU reports next (pairing-losses.ts) waits for the next part's word. A pair of a later
 *   part whose entry's CPU has recorded nothing before the exit may lie in a loss that an earlier part saw begin: it is
 *   held until that is known.
 *
 * What an earlier part alone was told of a thread's process and vCPU is filled in for joined exits and by fillThreads();
 * a selection or grouping by such numbers needs the thread table, as in one pass over events that do not carry them.
 */
import { createEventBatch, type EventBatch } from '../core/event-batch.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import { compareWords } from '../core/words.ts';
import {
  addLoss,
  addRecord,
  type CpuLosses,
  createCpuLosses,
  hadLossBefore,
  isOpen,
  LOSS,
  mergeCpuLosses,
  NOTHING,
  nextOn,
} from './cpu-losses.ts';
import { appendRow, appendRows } from './event-rows.ts';
import {
  copyExit,
  createExitBatch,
  EXIT_WITHOUT_ENTRY,
  type ExitBatch,
  INVALIDATED_BY_LOSS,
  OPEN_AT_END,
  PAIRED,
} from './exit-batch.ts';
import { createPairing, type EntryFilter, finishPairing, type Pairing, pairBatch } from './pairing.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_NONE, ROLE_VCPU } from './roles.ts';

/** Events kept per thread and side: more than one exit has, unless something is wrong. */
const MAX_ROWS = 4096;

/** What ended a thread's head. */
const BY_ENTRY = 1;
const BY_EXIT = 2;

interface PartThread {
  readonly tid: number;
  /** As events told them, −1 unknown. */
  pid: number;
  vcpu: number;
  head: EventBatch | null;
  /** BY_ENTRY, BY_EXIT, 0: it goes on. */
  headEnd: number;
  /** Row of the head's last event, and whether that entry is among those that are counted. */
  headRow: number;
  headCounted: boolean | null;
  /** Events since the exit that is open; null: none is. */
  tail: EventBatch | null;
  /** Where the open exit is in the batch at hand; −1: not in it. */
  tailFrom: number;
}

/** Times that belong to the rows of CpuLosses, word pairs by CPU. */
interface CpuTimes {
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  /** Of the last record before the first loss. */
  readonly beforeLoss: Uint32Array;
  readonly lossEnd: Uint32Array;
}

export interface PairingPart {
  /** The recording does not begin with this part. */
  readonly later: boolean;
  readonly threadTable: ThreadTable | null;
  readonly pairing: Pairing;
  readonly threads: Map<number, PartThread>;
  readonly losses: CpuLosses;
  readonly times: CpuTimes;
  /** Pairs that wait for the next part, for an earlier one, or for both. */
  readonly held: Held[];
  /** No more events come: what is undecided is held. */
  closed: boolean;
  /** Events of an exit that were more than MAX_ROWS. */
  dropped: number;
  readonly sink: (batch: ExitBatch) => void;
}

interface Held {
  readonly row: ExitBatch;
  readonly waitsForNext: boolean;
  readonly waitsForEarlier: boolean;
}

/** `sink` gets the exits that this part can decide, and those that joining decides. */
export function createPairingPart(
  threadTable: ThreadTable | null,
  sink: (batch: ExitBatch) => void,
  acceptEntry: EntryFilter | null,
  later: boolean,
): PairingPart {
  const losses = createCpuLosses();
  const words = () => new Uint32Array(2 * losses.first.length);
  const accept: EntryFilter = (batch, row, pid, vcpu) => {
    const counted = acceptEntry === null || acceptEntry(batch, row, pid, vcpu);
    const thread = part.threads.get(batch.tid[row]);
    if (thread?.headEnd === BY_ENTRY) thread.headCounted ??= counted;
    return counted;
  };
  const part: PairingPart = {
    later,
    threadTable,
    pairing: createPairing(threadTable, (batch) => sift(part, batch), accept),
    threads: new Map(),
    losses,
    times: { first: words(), last: words(), beforeLoss: words(), lossEnd: words() },
    held: [],
    closed: false,
    dropped: 0,
    sink,
  };
  return part;
}

/** Takes in the events of a batch. */
export function pairPart(part: PairingPart, batch: EventBatch): void {
  const { threads, later } = part;
  const { event: events, tid: tids, vcpu: vcpus, pid: pids, cpu: cpus, time } = batch;
  for (let row = 0; row < batch.length; row++) {
    const role = EVENT_ROLES[events[row]];
    const at = followCpu(part, cpus[row], role === ROLE_LOST, time[2 * row], time[2 * row + 1]);
    const tid = tids[row];
    if (role === ROLE_NONE || role === ROLE_LOST || tid < 0) continue;
    let thread = threads.get(tid);
    if (thread === undefined) {
      thread = createPartThread(tid, later);
      threads.set(tid, thread);
    }
    if (role === ROLE_EXIT || role === ROLE_ENTRY) {
      if (vcpus[row] >= 0) thread.vcpu = vcpus[row];
      if (pids[row] >= 0) thread.pid = pids[row];
      thread.tail = null;
      thread.tailFrom = role === ROLE_EXIT ? row : -1;
    } else if (role === ROLE_VCPU && thread.vcpu < 0) thread.vcpu = vcpus[row];
    if (thread.head !== null && thread.headEnd === 0) addToHead(part, thread, batch, row, role, at);
  }
  keepTails(part, batch);
  pairBatch(part.pairing, batch);
}

function createPartThread(tid: number, later: boolean): PartThread {
  return {
    tid,
    pid: -1,
    vcpu: -1,
    head: later ? createEventBatch(4) : null,
    headEnd: 0,
    headRow: -1,
    headCounted: null,
    tail: null,
    tailFrom: -1,
  };
}

/** Returns the row's number in the part. */
function followCpu(
  { losses, times }: PairingPart,
  cpu: number,
  lost: boolean,
  low: number,
  high: number,
): number {
  if (lost) {
    if (losses.firstLoss[cpu] === Number.POSITIVE_INFINITY) copyTime(times.last, times.beforeLoss, cpu);
    addLoss(losses, cpu);
    return losses.row - 1;
  }
  if (losses.last[cpu] < 0) setTime(times.first, cpu, low, high);
  if (isOpen(losses, cpu)) setTime(times.lossEnd, cpu, low, high);
  setTime(times.last, cpu, low, high);
  return addRecord(losses, cpu);
}

function setTime(times: Uint32Array, cpu: number, low: number, high: number): void {
  times[2 * cpu] = low;
  times[2 * cpu + 1] = high;
}

function copyTime(from: Uint32Array, to: Uint32Array, cpu: number): void {
  setTime(to, cpu, from[2 * cpu], from[2 * cpu + 1]);
}

function addToHead(
  part: PairingPart,
  thread: PartThread,
  batch: EventBatch,
  row: number,
  role: number,
  at: number,
): void {
  thread.headRow = at;
  if (role === ROLE_EXIT) {
    thread.headEnd = BY_EXIT;
    return;
  }
  // The entry that ends it always has room.
  if (role === ROLE_ENTRY) thread.headEnd = BY_ENTRY;
  else if (thread.head!.length >= MAX_ROWS) {
    part.dropped++;
    return;
  }
  thread.head = appendRow(thread.head!, batch, row);
}

/** Copies what open exits have of a batch, which will be reused: few rows, as most exits end in their batch. */
function keepTails(part: PairingPart, batch: EventBatch): void {
  let from = batch.length;
  for (const { tail, tailFrom } of part.threads.values())
    if (tail !== null) from = 0;
    else if (tailFrom >= 0 && tailFrom < from) from = tailFrom;
  for (let row = from; row < batch.length; row++) {
    const role = EVENT_ROLES[batch.event[row]];
    if (role === ROLE_NONE || role === ROLE_LOST || batch.tid[row] < 0) continue;
    const thread = part.threads.get(batch.tid[row])!;
    if (row === thread.tailFrom) {
      thread.tail = createEventBatch(4);
      thread.tailFrom = -1;
    }
    if (thread.tail === null) continue;
    if (thread.tail.length < MAX_ROWS) thread.tail = appendRow(thread.tail, batch, row);
    else part.dropped++;
  }
}

/** Passes on what is decided, holds what is not. What is open at the end is decided by joining or finishing. */
function sift(part: PairingPart, batch: ExitBatch): void {
  let passed: ExitBatch | null = null;
  for (let row = 0; row < batch.length; row++) {
    const waitsForNext = part.closed && waitsOnExitCpu(part, batch, row);
    const waitsForEarlier = part.later && mayLieInLoss(part, batch, row);
    const keep = batch.state[row] !== OPEN_AT_END && !waitsForNext && !waitsForEarlier;
    if (!keep && passed === null) {
      passed = createExitBatch(batch.capacity);
      for (let before = 0; before < row; before++) copyExit(batch, before, passed, passed.length++);
    }
    if (keep) {
      if (passed !== null) copyExit(batch, row, passed, passed.length++);
    } else if (batch.state[row] !== OPEN_AT_END)
      part.held.push({ row: singleExit(batch, row), waitsForNext, waitsForEarlier });
  }
  if (passed === null) part.sink(batch);
  else if (passed.length > 0) part.sink(passed);
}

function singleExit(batch: ExitBatch, row: number): ExitBatch {
  const single = createExitBatch(1);
  copyExit(batch, row, single, single.length++);
  return single;
}

/** Whether a pair's exit CPU has recorded nothing since the entry (at the same time does not matter: see lostAfter). */
function waitsOnExitCpu({ times }: PairingPart, batch: ExitBatch, row: number): boolean {
  const cpu = batch.exitCpu[row];
  if (batch.state[row] !== PAIRED || cpu === batch.entryCpu[row]) return false;
  return compareAt(batch.entryTime, row, times.last, cpu) >= 0;
}

/** Whether the entry's CPU recorded nothing before the exit: a loss of an earlier part may go on beyond that. */
function mayLieInLoss({ times }: PairingPart, batch: ExitBatch, row: number): boolean {
  const cpu = batch.entryCpu[row];
  if (batch.state[row] !== PAIRED || cpu === batch.exitCpu[row]) return false;
  return compareAt(times.first, cpu, batch.exitTime, row) > 0;
}

function compareAt(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  return compareWords(a[2 * i], a[2 * i + 1], b[2 * j], b[2 * j + 1]);
}

/** No more events of this part come. */
export function closePart(part: PairingPart): void {
  part.closed = true;
  finishPairing(part.pairing);
}

/** Adds the next part; both have been closed. What joining decides goes to the sink of the part that it belongs to. */
export function joinParts(part: PairingPart, next: PairingPart): void {
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
  mergeTimes(part, next);
  mergeCpuLosses(part.losses, next.losses);
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

/** Pairs tails with heads: one exit per thread. */
function joinThreads(part: PairingPart, next: PairingPart): void {
  const ended: PartThread[] = [];
  let rows = createEventBatch(64);
  for (const thread of part.threads.values()) {
    const head = next.threads.get(thread.tid);
    if (thread.tail === null || head === undefined || head.headEnd === 0) continue;
    rows = appendRows(appendRows(rows, thread.tail), head.head!);
    ended.push(head);
  }
  const exits = pairRows(part, rows);
  for (const head of ended) {
    const row = exits.get(head.tid);
    if (row === undefined) continue;
    if (head.headEnd === BY_EXIT) {
      row.state[0] = EXIT_WITHOUT_ENTRY;
      part.sink(row);
      continue;
    }
    if (head.headCounted !== false) part.pairing.counts.entryWithoutExit--;
    decide(part, next, row, head.headRow);
  }
}

/** The exits of rows in which each thread has one, by thread. */
function pairRows(part: PairingPart, rows: EventBatch): Map<number, ExitBatch> {
  const exits = new Map<number, ExitBatch>();
  const pairing = createPairing(part.threadTable, (batch) => {
    for (let row = 0; row < batch.length; row++) exits.set(batch.tid[row], singleExit(batch, row));
  });
  pairBatch(pairing, rows);
  finishPairing(pairing);
  for (const row of exits.values()) fillThreads(part, row);
  part.pairing.counts.negativeLatency += pairing.counts.negativeLatency;
  part.pairing.counts.absurdLatency += pairing.counts.absurdLatency;
  return exits;
}

/** What losses do to a pair whose entry is row `at` of the next part. */
function decide(part: PairingPart, next: PairingPart, row: ExitBatch, at: number): void {
  const exitCpu = row.exitCpu[0];
  const entryCpu = row.entryCpu[0];
  const lostOn = (cpu: number) => overlapsLoss(part, cpu, row) || hadLossBefore(next.losses, cpu, at);
  if (lostOn(entryCpu) || lostOn(exitCpu)) settle(part, row, true);
  else if (exitCpu === entryCpu) settle(part, row, false);
  else {
    const coming = nextOn(next.losses, exitCpu, at);
    if (coming === NOTHING) part.held.push({ row, waitsForNext: true, waitsForEarlier: false });
    else settle(part, row, coming === LOSS && lostAfter(part, next, exitCpu, row));
  }
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
    if (thread.tail.length < MAX_ROWS) thread.tail = appendRows(thread.tail, next.head!);
    else part.dropped += next.head!.length;
  }
}

function mergeTimes(part: PairingPart, next: PairingPart): void {
  const { times, losses } = part;
  const { times: more, losses: later } = next;
  for (let cpu = 0; cpu < losses.last.length; cpu++) {
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
  let rows = createEventBatch(64);
  for (const { tail } of part.threads.values()) if (tail !== null) rows = appendRows(rows, tail);
  for (const { row } of part.held.splice(0)) part.sink(row);
  for (const row of pairRows(part, rows).values()) part.sink(row);
}
