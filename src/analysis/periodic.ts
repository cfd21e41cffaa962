/**
 * Exits that come at a regular beat: timers of the guest or of the host. Per thread, reason and, where it says which
 * timer (MSR, port, MMIO page), detail: the distribution of the time from one exit to the next. A beat is a narrow band
 * of it (±3 %) that holds far more of the intervals than random arrivals would put there.
 *
 * Random (exponential) intervals put at most 2.2 % into any band of that width: the density of their logarithm is at
 * most 1/e, the band is 0.06 wide. Chernoff's bound on that share, over all keys and bands, keeps false alarms below 1 %.
 */
import { type Arena, allocateU32 } from '../core/arena.ts';
import { float64s, widened } from '../core/columns.ts';
import { EV_MMIO, EV_MSR, EV_PIO } from '../core/events.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { diffWords } from '../core/words.ts';
import type { ExitBatch } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import {
  PE_BUCKETS,
  PE_BYTES,
  PE_COUNTS,
  PE_EXITS,
  PE_FIRST,
  PE_KEYS,
  PE_LAST,
  PE_OTHERS,
  PE_RECENT,
  PE_RECENT_BITS,
  V_GROUPS,
} from './exits-view-layout.ts';
import {
  createGroupTable,
  findGroup,
  type GroupTable,
  KEY_CODE,
  KEY_CPU,
  KEY_INTS,
  KEY_ISA,
  KEY_PID,
  KEY_TID,
  KEY_VCPU,
  plainGroups,
  showGroups,
} from './groups.ts';
import { bucketMiddle, bucketOf } from './log-linear.ts';

/** Keys that are followed: the first to come. */
const MAX_KEYS = 1024;
/** Keys that are remembered at all. */
const MAX_TABLE = 1 << 16;
/** Periods that are looked for: 5 Hz to 2500 Hz. Faster beats are loops of the guest rather than timers. */
const SHORTEST = 4e5;
const LONGEST = 2e8;
const MIN_INTERVALS = 30;
/** Half width of the band. */
const BAND = 0.03;
/** Largest share of random intervals in a band. */
const CHANCE = (2 * BAND + 0.001) / Math.E;
/** Share of the intervals that makes a beat worth telling. */
const MIN_STRENGTH = 0.2;
const FALSE_ALARM = 0.01;
/** Bands that are looked at: one per bucket of the range. */
const BANDS = bucketOf(LONGEST) - bucketOf(SHORTEST) + 1;

export interface Periodic {
  readonly keys: GroupTable;
  /** Exit times per key, word pairs: the first and the last. */
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  readonly exits: Float64Array;
  /** Intervals by key · PE_BUCKETS + bucket − PE_FIRST; keys for which there is room. Those in no such bucket, by key. */
  counts: Float64Array;
  room: number;
  readonly others: Float64Array;
  /** Exits of keys beyond the limit; exits that were told late (of threads that changed CPUs). */
  ignored: number;
  late: number;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

export function createPeriodic(arena: Arena | null): Periodic {
  const room = 16;
  return {
    keys: createGroupTable({ pid: true, tid: true, vcpu: true, cpu: true, level: false }, arena),
    first: new Uint32Array(2 * MAX_KEYS),
    last: arena === null ? new Uint32Array(2 * MAX_KEYS) : allocateU32(arena, 2 * MAX_KEYS),
    exits: float64s(arena, MAX_KEYS),
    counts: float64s(arena, PE_BUCKETS * room),
    room,
    others: float64s(arena, MAX_KEYS),
    ignored: 0,
    late: 0,
    view: arena === null ? null : createBeatView(arena),
  };
}

function createBeatView(arena: Arena): KernelView {
  const view = createView(arena, PE_BYTES);
  view.words[PE_RECENT / 4] = addressOf(allocateU32(arena, 1 << PE_RECENT_BITS));
  return view;
}

/** The group table's keys, with the detail in place of process, vCPU and CPU. */
const key = new Int32Array(KEY_INTS);
const KEY_EVENT = KEY_PID;
const KEY_LOW = KEY_VCPU;
const KEY_HIGH = KEY_CPU;

export function addPeriodic(state: Periodic, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    state.view,
    'countBeats',
    batch,
    selected,
    (view) => showPeriodic(state, view),
    (row) => {
      setKey(batch, row);
      const id = keyId(state, key, 0);
      if (id < 0) state.ignored++;
      else addExit(state, id, batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
    },
  );
}

function showPeriodic(state: Periodic, { words }: KernelView): void {
  showGroups(words, V_GROUPS, state.keys);
  words[PE_EXITS / 4] = addressOf(state.exits);
  words[PE_LAST / 4] = addressOf(state.last);
  words[PE_OTHERS / 4] = addressOf(state.others);
  words[PE_COUNTS / 4] = addressOf(state.counts);
  words[PE_KEYS / 4] = state.keys.count < MAX_TABLE ? state.room : 0;
}

function setKey(batch: ExitBatch, row: number): void {
  key[KEY_ISA] = batch.isa[row];
  key[KEY_CODE] = batch.code[row];
  key[KEY_TID] = batch.tid[row];
  key[KEY_EVENT] = 0;
  key[KEY_LOW] = 0;
  key[KEY_HIGH] = 0;
  const event = batch.detailEvent[row];
  if (event !== EV_MSR && event !== EV_PIO && event !== EV_MMIO) return;
  key[KEY_EVENT] = event;
  const low = batch.detailAddress[2 * row];
  key[KEY_LOW] = event === EV_MMIO ? low & ~0xfff : low;
  key[KEY_HIGH] = batch.detailAddress[2 * row + 1];
}

/** Number of the key at keys[at …], −1 when there are too many. */
function keyId(state: Periodic, keys: Int32Array, at: number): number {
  if (state.keys.count >= MAX_TABLE) return -1;
  const id = findGroup(state.keys, keys, at);
  return id < MAX_KEYS ? id : -1;
}

function addExit(state: Periodic, id: number, low: number, high: number): void {
  if (state.exits[id]++ === 0) {
    state.first[2 * id] = low;
    state.first[2 * id + 1] = high;
  } else if (!addInterval(state, id, low, high)) return;
  state.last[2 * id] = low;
  state.last[2 * id + 1] = high;
}

function addInterval(state: Periodic, id: number, low: number, high: number): boolean {
  const ns = diffWords(low, high, state.last[2 * id], state.last[2 * id + 1]);
  if (ns < 0) {
    state.late++;
    return false;
  }
  const bucket = bucketOf(Math.min(ns, 2 ** 52)) - PE_FIRST;
  if (bucket >= 0 && bucket < PE_BUCKETS) addCount(state, id, bucket, 1);
  else state.others[id]++;
  return true;
}

function addCount(state: Periodic, id: number, bucket: number, count: number): void {
  if (id >= state.room) {
    state.room = Math.min(MAX_KEYS, 2 * id);
    state.counts = widened(float64s, state.view?.arena ?? null, state.room * PE_BUCKETS, state.counts);
  }
  state.counts[id * PE_BUCKETS + bucket] += count;
}

/**
 * Adds what came later. Exits that are told late make no interval; which ones come late may depend on where the
 * recording was cut, so that only without them parts make exactly one whole.
 */
export function mergePeriodic(state: Periodic, later: Periodic): void {
  state.ignored += later.ignored;
  state.late += later.late;
  for (let from = 0; from < later.keys.count; from++) {
    const id = keyId(state, later.keys.keys, from * KEY_INTS);
    if (id < 0) {
      state.ignored += later.exits[from];
      continue;
    }
    const known = state.exits[id] > 0;
    if (!known) state.first.set(later.first.subarray(2 * from, 2 * from + 2), 2 * id);
    const joined = !known || addInterval(state, id, later.first[2 * from], later.first[2 * from + 1]);
    const forward =
      joined ||
      diffWords(later.last[2 * from], later.last[2 * from + 1], state.last[2 * id], state.last[2 * id + 1]) >=
        0;
    if (forward) state.last.set(later.last.subarray(2 * from, 2 * from + 2), 2 * id);
    state.exits[id] += later.exits[from];
    state.others[id] += later.others[from];
    forEachBucket(later, from, (bucket, count) => addCount(state, id, bucket - PE_FIRST, count));
  }
}

/** Calls `visit` for each bucket with intervals of the key, ascending. */
function forEachBucket(
  { counts, room }: Periodic,
  id: number,
  visit: (bucket: number, count: number) => void,
): void {
  for (let bucket = 0; id < room && bucket < PE_BUCKETS; bucket++) {
    const count = counts[id * PE_BUCKETS + bucket];
    if (count > 0) visit(PE_FIRST + bucket, count);
  }
}

/** The state as plain data, for another thread. */
export function plainPeriodic(state: Periodic): Periodic {
  const { keys, last, exits, counts, others } = state;
  return {
    ...state,
    keys: plainGroups(keys),
    last: last.slice(),
    exits: exits.slice(),
    counts: counts.slice(),
    others: others.slice(),
    view: null,
  };
}

export interface BeatRow {
  readonly tid: number;
  readonly isa: number;
  readonly code: number;
  /** EV_MSR, EV_PIO or EV_MMIO with what they were about (word pair); 0 without detail. */
  readonly detailEvent: number;
  readonly detailAddress: readonly [number, number];
  readonly exits: number;
  readonly intervals: number;
  readonly periodNs: number;
  /** Share of the intervals within 3 % of the period. */
  readonly strength: number;
}

export interface PeriodicResult {
  /** Strongest first. */
  readonly beats: readonly BeatRow[];
  /** Keys that had enough exits to be judged. */
  readonly judged: number;
  readonly ignored: number;
  readonly late: number;
}

export function periodicResult(state: Periodic): PeriodicResult {
  const beats: BeatRow[] = [];
  let judged = 0;
  const ids = Array.from({ length: Math.min(MAX_KEYS, state.keys.count) }, (_, id) => id);
  const candidates = ids.filter((id) => state.exits[id] > MIN_INTERVALS);
  for (const id of candidates) {
    const buckets: number[] = [];
    const counts: number[] = [];
    let intervals = state.others[id];
    forEachBucket(state, id, (bucket, count) => {
      buckets.push(bucket);
      counts.push(count);
      intervals += count;
    });
    if (intervals < MIN_INTERVALS) continue;
    judged++;
    const beat = strongestBand(buckets, counts);
    const strength = beat.count / intervals;
    if (strength < MIN_STRENGTH || !isUnlikely(strength, intervals, candidates.length)) continue;
    const at = id * KEY_INTS;
    const { keys } = state.keys;
    beats.push({
      tid: keys[at + KEY_TID],
      isa: keys[at + KEY_ISA],
      code: keys[at + KEY_CODE] >>> 0,
      detailEvent: keys[at + KEY_EVENT],
      detailAddress: [keys[at + KEY_LOW] >>> 0, keys[at + KEY_HIGH] >>> 0],
      exits: state.exits[id],
      intervals,
      periodNs: Math.round(beat.periodNs),
      strength,
    });
  }
  beats.sort(
    (a, b) =>
      b.strength * b.intervals - a.strength * a.intervals ||
      a.tid - b.tid ||
      a.code - b.code ||
      a.isa - b.isa ||
      a.detailEvent - b.detailEvent ||
      a.detailAddress[1] - b.detailAddress[1] ||
      a.detailAddress[0] - b.detailAddress[0],
  );
  return { beats, judged, ignored: state.ignored, late: state.late };
}

/** The period in range whose band of ±BAND holds the most intervals. */
function strongestBand(
  buckets: readonly number[],
  counts: readonly number[],
): { count: number; periodNs: number } {
  const lowest = bucketOf(SHORTEST);
  const highest = bucketOf(LONGEST);
  let best = { count: 0, periodNs: 0 };
  let from = 0;
  let to = 0;
  let count = 0;
  let weighted = 0;
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] < lowest || buckets[i] > highest) continue;
    const middle = bucketMiddle(buckets[i]);
    for (; to < buckets.length && bucketMiddle(buckets[to]) <= middle * (1 + BAND); to++) {
      count += counts[to];
      weighted += counts[to] * bucketMiddle(buckets[to]);
    }
    for (; bucketMiddle(buckets[from]) < middle * (1 - BAND); from++) {
      count -= counts[from];
      weighted -= counts[from] * bucketMiddle(buckets[from]);
    }
    if (count > best.count) best = { count, periodNs: weighted / count };
  }
  return best;
}

/** Chernoff: P(share ≥ s of n) ≤ exp(−n·D(s‖CHANCE)). */
function isUnlikely(share: number, n: number, keys: number): boolean {
  const term = (p: number, q: number) => (p > 0 ? p * Math.log(p / q) : 0);
  const divergence = term(share, CHANCE) + term(1 - share, 1 - CHANCE);
  return share > CHANCE && Math.exp(-n * divergence) < FALSE_ALARM / (keys * BANDS);
}
