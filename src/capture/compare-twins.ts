/**
 * Whether an input repeats QEMU's events of another one, told from a sample of both: nearly all events of the time that
 * both cover must have a twin, and twins must lie as far apart each time, as the same event does in two back ends.
 * Events of two virtual machines look alike, but their times have nothing to do with each other.
 */
import { BATCH_ROWS, copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import { EV_RUN_EXIT } from '../core/events.ts';
import { storeNumber, wordsToBigInt } from '../core/words.ts';
import type { ExitSequence } from './clock-align.ts';
import { createTwinMatcher, isQemuEvent, MAX_GAP_NS, matchTwin } from './twin-events.ts';

/** QEMU's events of an input, the first ones in time order. */
export interface QemuSample {
  readonly ofQemu: boolean;
  readonly rows: EventBatch;
}

export interface TwinComparison {
  readonly same: boolean;
  /** Twins, and events of either side in the time that both cover. */
  readonly twins: number;
  readonly kept: number;
  readonly repeated: number;
  /** No twins are farther apart, ns. */
  readonly reachNs: number;
  /** Process of each thread of the keeping side, as its twins tell; −1: several. */
  readonly pidOfTid: ReadonlyMap<number, number>;
}

/** Share of the smaller side's events that must have a twin. */
const MIN_SHARE = 0.9;
const MIN_TWINS = 3;
/** Deviations of twins' distance below this need no comparison with the distance between events. */
const STEADY_NS = 2000;
/** The median deviation must be below this part of the median distance between like events. */
const STEADY_PART = 0.1;
/** Events at the ends of the common time whose twin may lie just outside, ns. */
const EDGE_NS = 1_000_000;
const MIN_REACH_NS = 20_000;

export function createQemuSample(ofQemu: boolean): QemuSample {
  return { ofQemu, rows: createEventBatch(0) };
}

/** Takes QEMU's events of a batch; what is beyond the sample's size is left out. */
export function addToSample(sample: QemuSample, batch: EventBatch): void {
  for (let row = 0; row < batch.length; row++) {
    if (!isQemuEvent(batch, row, sample.ofQemu)) continue;
    if (sample.rows.length === BATCH_ROWS) return;
    if (sample.rows.capacity === 0) (sample as { rows: EventBatch }).rows = createEventBatch(BATCH_ROWS);
    copyRow(batch, row, sample.rows, sample.rows.length++);
  }
}

interface Entry {
  readonly rows: EventBatch;
  readonly row: number;
  /** KEPT or REPEATED. */
  readonly side: number;
  /** ns from the first row of all. */
  readonly time: number;
}

const KEPT = 0;
const REPEATED = 1;

/** Compares samples of one run; `offsetNs` is added to the times of `repeated`. Null: nothing in common in time. */
export function compareTwins(
  kept: readonly QemuSample[],
  repeated: readonly QemuSample[],
  offsetNs: bigint,
): TwinComparison | null {
  const entries = commonEntries(kept, repeated, offsetNs);
  if (entries.length === 0) return null;
  const window = createEventBatch(entries.length);
  const matcher = createTwinMatcher([-1, KEPT], [0, MAX_GAP_NS]);
  const distances: number[] = [];
  const pidOfTid = new Map<number, number>();
  let certain = 0;
  for (const [at, { rows, row, side, time }] of entries.entries()) {
    copyRow(rows, row, window, at);
    storeNumber(window.time, 2 * at, time);
    window.length = at + 1;
    matchTwin(matcher, window, at, side, (again, first) => {
      distances.push(entries[first].time - entries[again].time);
      if (knowsThread(window, first, again)) certain++;
      learn(pidOfTid, window.tid[first], window.pid[again]);
    });
  }
  const count = (side: number) => entries.filter((entry) => entry.side === side).length;
  const sizes = [count(KEPT), count(REPEATED)];
  const enough = distances.length >= Math.max(MIN_TWINS, MIN_SHARE * Math.min(...sizes));
  return {
    same: enough && (certain >= MIN_SHARE * distances.length || isSteady(distances, entries)),
    twins: distances.length,
    kept: sizes[KEPT],
    repeated: sizes[REPEATED],
    // As long as nothing is lost on one side, an event's twin is the next one however late it comes.
    reachNs: distances.length === Math.min(...sizes) ? MAX_GAP_NS : reach(distances),
    pidOfTid,
  };
}

/** Events of the time that both sides cover, in order of time. */
function commonEntries(
  kept: readonly QemuSample[],
  repeated: readonly QemuSample[],
  offsetNs: bigint,
): Entry[] {
  const first = kept.find(({ rows }) => rows.length > 0)?.rows;
  if (first === undefined || repeated.every(({ rows }) => rows.length === 0)) return [];
  const base = wordsToBigInt(first.time[0], first.time[1]);
  const list = (rows: EventBatch, side: number, shift: bigint) =>
    Array.from({ length: rows.length }, (_, row): Entry => {
      const time = wordsToBigInt(rows.time[2 * row], rows.time[2 * row + 1]);
      return { rows, row, side, time: Number(time + shift - base) };
    });
  const byTime = (a: Entry, b: Entry) => a.time - b.time;
  const ours = kept.flatMap(({ rows }) => list(rows, KEPT, 0n)).sort(byTime);
  const theirs = repeated.flatMap(({ rows }) => list(rows, REPEATED, offsetNs)).sort(byTime);
  const from = Math.max(ours[0].time, theirs[0].time) - EDGE_NS;
  const to = Math.min(ours[ours.length - 1].time, theirs[theirs.length - 1].time) + EDGE_NS;
  return [...ours, ...theirs].sort(byTime).filter(({ time }) => time >= from && time <= to);
}

/** Twins have the same thread where both sides say it: that alone tells runs apart. */
function knowsThread({ tid, pid, vcpu }: EventBatch, a: number, b: number): boolean {
  if (tid[a] >= 0 && tid[b] >= 0) return true;
  return pid[a] >= 0 && pid[b] >= 0 && vcpu[a] >= 0 && vcpu[b] >= 0;
}

/** Notes what belongs together; −1 where it is not always the same. */
function learn(map: Map<number, number>, key: number, value: number): void {
  if (key < 0 || value < 0) return;
  const known = map.get(key);
  if (known === undefined) map.set(key, value);
  else if (known !== value) map.set(key, -1);
}

/**
 * What is lost on one side must not take the twin of what is lost on the other one: the farther apart twins may be, the
 * more often that happens.
 */
function reach(distances: readonly number[]): number {
  const sorted = distances.map(Math.abs).sort((a, b) => a - b);
  const far = sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0;
  return Math.min(MAX_GAP_NS, Math.max(MIN_REACH_NS, 4 * far));
}

/** Twins of one run lie as far apart each time; those of two runs anywhere between two events. */
function isSteady(distances: readonly number[], entries: readonly Entry[]): boolean {
  const middle = median(distances);
  const deviation = median(distances.map((distance) => Math.abs(distance - middle)));
  if (deviation <= STEADY_NS) return true;
  const last = new Map<number, number>();
  const gaps: number[] = [];
  for (const { rows, row, side, time } of entries) {
    if (side !== REPEATED) continue;
    const event = rows.event[row];
    const before = last.get(event);
    if (before !== undefined) gaps.push(time - before);
    last.set(event, time);
  }
  return gaps.length > 0 && deviation <= STEADY_PART * median(gaps);
}

function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** The sample as a sequence that alignSequences() takes: an event's number, with the reason where it has one. */
export function sampleSequence({ rows }: QemuSample): ExitSequence {
  const base = rows.length > 0 ? wordsToBigInt(rows.time[0], rows.time[1]) : null;
  const sequence: ExitSequence = { base, times: [], reasons: [], keys: [], event: EV_RUN_EXIT };
  for (let row = 0; row < rows.length; row++) {
    sequence.times.push(Number(wordsToBigInt(rows.time[2 * row], rows.time[2 * row + 1]) - base!));
    sequence.reasons.push(
      rows.event[row] * 256 + (rows.event[row] === EV_RUN_EXIT ? rows.code[row] & 255 : 0),
    );
    sequence.keys.push(rows.vcpu[row]);
  }
  return sequence;
}
