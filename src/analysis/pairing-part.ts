/** One part of a recording, paired on its own; what it cannot decide is kept for joining it (pairing-join.ts). */
import { type Arena, allocateI32, allocateU32, createArena } from '../core/arena.ts';
import { type ArenaBatch, createEventBatch, type EventBatch, liesIn } from '../core/event-batch.ts';
import { EV_LOST } from '../core/events.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import { compareWords } from '../core/words.ts';
import { addLoss, addRecord, type CpuLosses, createCpuLosses, isOpen } from './cpu-losses.ts';
import { F_BYTES, F_FIRST, F_FIRST_TIME, F_LAST, F_LAST_TIME, F_STATE } from './cpu-records-layout.ts';
import { appendRow } from './event-rows.ts';
import { copyExit, createExitBatch, type ExitBatch, OPEN_AT_END, PAIRED } from './exit-batch.ts';
import { createPairing, type EntryFilter, finishPairing, type Pairing, pairBatch } from './pairing.ts';
import { IS_OPEN, KNOWN_PID, KNOWN_VCPU, STRIDE } from './pairing-layout.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_NONE } from './roles.ts';

/** Events kept per thread and side: more than one exit has, unless something is wrong. */
export const MAX_ROWS = 4096;

/** What ended a thread's head. */
export const BY_ENTRY = 1;
export const BY_EXIT = 2;

export interface PartThread {
  readonly tid: number;
  /** As events told them, −1 unknown. */
  pid: number;
  vcpu: number;
  head: EventBatch | null;
  /** Events of the head that found no room in it: more than MAX_ROWS. */
  headDropped: number;
  /** BY_ENTRY, BY_EXIT, 0: it goes on. */
  headEnd: number;
  /** Row of the head's last event, and whether that entry is among those that are counted. */
  headRow: number;
  headCounted: boolean | null;
  /** The exit that is open at the part's end, as pairing keeps it (pairing-layout.ts); null: none is. */
  tail: Uint32Array | null;
}

/** Times that belong to the rows of CpuLosses, word pairs by CPU. */
interface CpuTimes {
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  /** Of the last record before the first loss. */
  readonly beforeLoss: Uint32Array;
  readonly lossEnd: Uint32Array;
}

/** A CPU's first loss that the records at a part's first time did not end; row Infinity: none so far. */
export interface LastingLoss {
  readonly row: number;
  /** Row of the CPU's last record before it, −1 without one, and the time of that. */
  readonly before: number;
  readonly time: Uint32Array;
}

const NO_LOSS: LastingLoss = { row: Number.POSITIVE_INFINITY, before: -1, time: new Uint32Array(2) };

export interface PairingPart {
  /** The recording does not begin with this part. */
  readonly later: boolean;
  readonly threadTable: ThreadTable | null;
  readonly pairing: Pairing;
  readonly threads: Map<number, PartThread>;
  /** Threads whose head goes on. */
  openHeads: number;
  /** By tid: whether the first entry that a filter was asked about is among those that are counted. */
  readonly firstCounted: Map<number, boolean>;
  readonly losses: CpuLosses;
  readonly times: CpuTimes;
  /** Time of the first record (word pair); null before it. */
  start: readonly [number, number] | null;
  /** CPUs of which a record at that time ended a loss: exits at that time do not lie before such a loss's end. */
  readonly endedAtStart: Map<number, LastingLoss>;
  /** What a kernel is shown of them: words at F_* (cpu-records-layout.ts). */
  readonly tables: Int32Array;
  /** Pairs that wait for the next part, for an earlier one, or for both. */
  readonly held: Held[];
  /** No more events come: what is undecided is held. */
  closed: boolean;
  /** Events of joined exits that their heads had no room for. */
  dropped: number;
  /** Made when it is needed. */
  joiner: Joiner | null;
  readonly sink: (batch: ExitBatch) => void;
}

/** Pairs what lies around the cuts (pairing-join.ts), and the exits that it has decided. */
export interface Joiner {
  readonly pairing: Pairing;
  readonly rows: ExitBatch[];
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
  entryFilter: EntryFilter | null,
  later: boolean,
  arena: Arena = createArena(),
): PairingPart {
  const losses = createCpuLosses(arena);
  const words = () => allocateU32(arena, 2 * losses.first.length);
  const firstCounted = new Map<number, boolean>();
  // Who asks first about an entry of a thread asks about the one that ends its head, if an entry does: it has no exit
  // here, which the kernel leaves to the rules.
  const accepts: EntryFilter['accepts'] = (batch, row, pid, vcpu) => {
    const counted = entryFilter!.accepts(batch, row, pid, vcpu);
    if (!firstCounted.has(batch.tid[row])) firstCounted.set(batch.tid[row], counted);
    return counted;
  };
  const part: PairingPart = {
    later,
    threadTable,
    pairing: createPairing(
      threadTable,
      (batch) => sift(part, batch),
      entryFilter === null || !later ? entryFilter : { ...entryFilter, accepts },
      arena,
    ),
    threads: new Map(),
    openHeads: 0,
    firstCounted,
    losses,
    times: { first: words(), last: words(), beforeLoss: words(), lossEnd: words() },
    start: null,
    endedAtStart: new Map(),
    tables: allocateI32(arena, F_BYTES / 4),
    held: [],
    closed: false,
    dropped: 0,
    joiner: null,
    sink,
  };
  return part;
}

/** Takes in the events of a batch. */
export function pairPart(part: PairingPart, batch: EventBatch): void {
  const { pairing } = part;
  const firstRow = part.losses.row;
  part.start ??= firstTime(batch);
  followCpus(part, batch);
  if (!part.later) {
    pairBatch(pairing, batch);
    return;
  }
  const { count } = pairing.slots;
  pairBatch(pairing, batch);
  if (part.openHeads > 0 || pairing.slots.count > count) watchHeads(part, batch, firstRow);
}

function firstTime({ event, time, length }: EventBatch): readonly [number, number] | null {
  for (let row = 0; row < length; row++)
    if (event[row] !== EV_LOST) return [time[2 * row], time[2 * row + 1]];
  return null;
}

/** Keeps the events of threads that have had neither exit nor entry yet. */
function watchHeads(part: PairingPart, batch: EventBatch, firstRow: number): void {
  const { threads } = part;
  const { event: events, tid: tids } = batch;
  for (let row = 0; row < batch.length; row++) {
    const role = EVENT_ROLES[events[row]];
    const tid = tids[row];
    if (role === ROLE_NONE || role === ROLE_LOST || tid < 0) continue;
    let thread = threads.get(tid);
    if (thread === undefined) {
      thread = createPartThread(tid, true);
      threads.set(tid, thread);
      part.openHeads++;
    }
    if (thread.headEnd === 0) addToHead(part, thread, batch, row, role, firstRow + row);
  }
}

export function createPartThread(tid: number, later: boolean): PartThread {
  return {
    tid,
    pid: -1,
    vcpu: -1,
    head: later ? createEventBatch(4) : null,
    headDropped: 0,
    headEnd: 0,
    headRow: -1,
    headCounted: null,
    tail: null,
  };
}

/** Follows the CPUs' records and losses: by a kernel from loss to loss, if the batch lies where it can. */
function followCpus(part: PairingPart, batch: EventBatch): void {
  const { event: events, cpu: cpus, time, length } = batch;
  const inArena = liesIn(part.pairing.arena, batch);
  for (let row = 0; row < length; ) {
    if (inArena) row = followRecords(part, batch, row);
    if (row === length) return;
    followCpu(part, cpus[row], events[row] === EV_LOST, time[2 * row], time[2 * row + 1]);
    row++;
  }
}

/** Takes records from row `from` on; returns the first that a loss concerns. */
function followRecords(
  { losses, times, tables, pairing }: PairingPart,
  batch: ArenaBatch,
  from: number,
): number {
  const rows = new Float64Array(tables.buffer, tables.byteOffset, 1);
  rows[0] = losses.row;
  tables[F_STATE / 4] = losses.state.byteOffset;
  tables[F_FIRST / 4] = losses.first.byteOffset;
  tables[F_LAST / 4] = losses.last.byteOffset;
  tables[F_FIRST_TIME / 4] = times.first.byteOffset;
  tables[F_LAST_TIME / 4] = times.last.byteOffset;
  const row = pairing.arena.kernels.followRecords(tables.byteOffset, batch.table, from, batch.length);
  losses.row = rows[0];
  return row;
}

function followCpu(part: PairingPart, cpu: number, lost: boolean, low: number, high: number): void {
  const { losses, times, start, endedAtStart } = part;
  if (lost) {
    if (losses.firstLoss[cpu] === Number.POSITIVE_INFINITY) copyTime(times.last, times.beforeLoss, cpu);
    if (endedAtStart.get(cpu) === NO_LOSS)
      endedAtStart.set(cpu, {
        row: losses.row,
        before: losses.last[cpu],
        time: times.last.slice(2 * cpu, 2 * cpu + 2),
      });
    addLoss(losses, cpu);
    return;
  }
  if (isOpen(losses, cpu) && low === start![0] && high === start![1]) endedAtStart.set(cpu, NO_LOSS);
  if (losses.last[cpu] < 0) setTime(times.first, cpu, low, high);
  if (isOpen(losses, cpu)) setTime(times.lossEnd, cpu, low, high);
  setTime(times.last, cpu, low, high);
  addRecord(losses, cpu);
}

function setTime(times: Uint32Array, cpu: number, low: number, high: number): void {
  times[2 * cpu] = low;
  times[2 * cpu + 1] = high;
}

export function copyTime(from: Uint32Array, to: Uint32Array, cpu: number): void {
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
  if (role === ROLE_EXIT || role === ROLE_ENTRY) part.openHeads--;
  if (role === ROLE_EXIT) {
    thread.headEnd = BY_EXIT;
    return;
  }
  // The entry that ends it always has room.
  if (role === ROLE_ENTRY) {
    thread.headEnd = BY_ENTRY;
    thread.headCounted = part.firstCounted.get(thread.tid) ?? null;
  } else if (thread.head!.length >= MAX_ROWS) {
    thread.headDropped++;
    return;
  }
  thread.head = appendRow(thread.head!, batch, row);
}

/** Passes on what is decided, holds what is not. What is open at the end is decided by joining or finishing. */
function sift(part: PairingPart, batch: ExitBatch): void {
  if (!part.closed && !part.later) {
    part.sink(batch);
    return;
  }
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

export function singleExit(batch: ExitBatch, row: number): ExitBatch {
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

/** Compares two times of columns of word pairs. */
export function compareAt(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  return compareWords(a[2 * i], a[2 * i + 1], b[2 * j], b[2 * j + 1]);
}

/** No more events of this part come. */
export function closePart(part: PairingPart): void {
  keepThreads(part);
  part.closed = true;
  finishPairing(part.pairing);
}

/** What events told of the threads, and the exits that they leave open. */
function keepThreads({ threads, pairing, later }: PairingPart): void {
  const { slots, slotsKnown, open } = pairing;
  for (let slot = 0; slot < slotsKnown; slot++) {
    const tid = slots.tids[slot];
    if (tid < 0) continue;
    let thread = threads.get(tid);
    if (thread === undefined) {
      thread = createPartThread(tid, later);
      threads.set(tid, thread);
    }
    const own = open.subarray(slot * STRIDE, (slot + 1) * STRIDE);
    thread.pid = own[KNOWN_PID] | 0;
    thread.vcpu = own[KNOWN_VCPU] | 0;
    if (own[IS_OPEN] === 1) thread.tail = Uint32Array.from(own);
  }
}
