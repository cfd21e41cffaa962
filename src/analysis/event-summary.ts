/** What was recorded: count of every event, first and last time, losses and how much of the recording they cover. */
import { type Arena, allocateF64, allocateU8, allocateU32 } from '../core/arena.ts';
import { type ArenaBatch, type EventBatch, F_ARG0, F_MARKER, liesIn, NO_CPU } from '../core/event-batch.ts';
import { EV_LOST, MAX_EVENTS } from '../core/events.ts';
import { compareWords, diffWords, TWO_32 } from '../core/words.ts';
import { CPU_SEEN, S_BYTES, S_COUNTS, S_CPU_LAST, S_CPU_STATE, S_FIELDS } from './event-summary-layout.ts';
import { isKept, type LossPlace, withLosses } from './largest-losses.ts';

export interface EventSummary {
  /** Count per event code; EV_LOST and markers are not in it. */
  readonly counts: Float64Array;
  /** Markers of user space, and what events their texts are. */
  markers: number;
  readonly markerCounts: Float64Array;
  events: number;
  hasTime: boolean;
  /** Word pairs. */
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  lostRegions: number;
  lostEvents: number;
  /** Losses that did not say how many events they cost. */
  lostUnknown: number;
  /** Sum of the gaps' lengths over all CPUs, ns. */
  lostNs: number;
  /** The largest ones. */
  losses: readonly LossPlace[];
  /** Losses were seen: gaps have to be followed. */
  gaps: boolean;
  /** CPUs that recorded events or losses; known after finishEvents(). */
  cpus: number;
  readonly cpuLast: Uint32Array;
  /** 0: CPU not seen, 1: seen, 3: seen and in a gap, 2: in a gap before its first record. */
  readonly cpuState: Uint8Array;
}

const SEEN = CPU_SEEN;
const GAP = 2;

/** A summary that a kernel counts for: its columns by event and CPU lie in an arena. */
export interface ArenaSummary extends EventSummary {
  readonly arena: Arena;
  /** The kernel's view: words at S_*. */
  readonly view: Uint32Array;
}

export function createArenaSummary(arena: Arena): ArenaSummary {
  const counts = allocateF64(arena, 65536);
  const cpuLast = allocateU32(arena, 2 * (NO_CPU + 1));
  const cpuState = allocateU8(arena, NO_CPU + 1);
  const view = allocateU32(arena, S_BYTES / 4);
  view[S_COUNTS / 4] = counts.byteOffset;
  view[S_CPU_LAST / 4] = cpuLast.byteOffset;
  view[S_CPU_STATE / 4] = cpuState.byteOffset;
  return { ...createEventSummary(), counts, cpuLast, cpuState, arena, view };
}

/** What was found, in memory of its own: it may be sent between threads. */
export function plainSummary({ arena: _arena, view: _view, ...summary }: ArenaSummary): EventSummary {
  return {
    ...summary,
    counts: summary.counts.slice(0, MAX_EVENTS),
    cpuLast: summary.cpuLast.slice(),
    cpuState: summary.cpuState.slice(),
  };
}

export function createEventSummary(): EventSummary {
  return {
    counts: new Float64Array(MAX_EVENTS),
    markers: 0,
    markerCounts: new Float64Array(MAX_EVENTS),
    events: 0,
    hasTime: false,
    first: new Uint32Array(2),
    last: new Uint32Array(2),
    lostRegions: 0,
    lostEvents: 0,
    lostUnknown: 0,
    lostNs: 0,
    losses: [],
    gaps: false,
    cpus: 0,
    cpuLast: new Uint32Array(2 * (NO_CPU + 1)),
    cpuState: new Uint8Array(NO_CPU + 1),
  };
}

export function addEvents(summary: EventSummary | ArenaSummary, batch: EventBatch): void {
  if (batch.length === 0) return;
  const { counts } = summary;
  let row = 0;
  let fields = 0;
  if ('arena' in summary && liesIn(summary.arena, batch) && !summary.gaps) {
    row = countPlain(summary, batch);
    fields = summary.view[S_FIELDS / 4];
  }
  fields |= countEvents(counts, batch, row);
  if (fields & F_MARKER) countMarkers(summary, batch);
  if (counts[EV_LOST] > 0) summary.gaps = true;
  summary.events += batch.length - counts[EV_LOST];
  counts[EV_LOST] = 0;
  addSpan(summary, batch);
  if (summary.gaps) followGaps(summary, batch, row);
  else followCpus(summary, batch, row);
}

/** Counts the rows up to the first loss and follows their CPUs; returns where it stopped. */
function countPlain({ arena, view }: ArenaSummary, batch: ArenaBatch): number {
  return arena.kernels.countEvents(view.byteOffset, batch.table, batch.length);
}

/** Counts rows from `from` on per event; returns all their F_* bits. A loop of its own is compiled once. */
function countEvents(counts: Float64Array, { event, fields, length }: EventBatch, from: number): number {
  let all = 0;
  for (let row = from; row < length; row++) {
    counts[event[row]]++;
    all |= fields[row];
  }
  return all;
}

/** Takes markers out of the count of tracepoints: what was recorded is user space's text. */
function countMarkers(summary: EventSummary, batch: EventBatch): void {
  for (let row = 0; row < batch.length; row++) {
    if ((batch.fields[row] & F_MARKER) === 0) continue;
    const event = batch.event[row];
    // A loss is nobody's text, whatever a damaged capture says.
    if (event === EV_LOST) continue;
    summary.counts[event]--;
    summary.markerCounts[event]++;
    summary.markers++;
  }
}

/** Adds to the first and last time alone. Rows come in order of time, so that the first and last of a batch are enough. */
export function addSpan(summary: EventSummary, batch: EventBatch): void {
  if (batch.length === 0) return;
  addTimes(summary, batch, 0);
  addTimes(summary, batch, batch.length - 1);
}

function addTimes(summary: EventSummary, batch: EventBatch, row: number): void {
  const { first, last } = summary;
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  if (!summary.hasTime || compareWords(low, high, first[0], first[1]) < 0) {
    first[0] = low;
    first[1] = high;
  }
  if (!summary.hasTime || compareWords(low, high, last[0], last[1]) > 0) {
    last[0] = low;
    last[1] = high;
  }
  summary.hasTime = true;
}

/** While nothing was lost it is enough to remember each CPU's last time. */
function followCpus(summary: EventSummary, batch: EventBatch, from: number): void {
  const { cpuLast, cpuState } = summary;
  const { cpu: cpus, time, length } = batch;
  for (let row = from; row < length; row++) {
    const cpu = cpus[row];
    cpuLast[2 * cpu] = time[2 * row];
    cpuLast[2 * cpu + 1] = time[2 * row + 1];
    cpuState[cpu] = SEEN;
  }
}

function followGaps(summary: EventSummary, batch: EventBatch, from: number): void {
  const { cpuLast, cpuState } = summary;
  const { event, time, cpu: cpus } = batch;
  for (let row = from; row < batch.length; row++) {
    if (event[row] === EV_LOST) {
      addLoss(summary, batch, row);
      continue;
    }
    const cpu = cpus[row];
    const low = time[2 * row];
    const high = time[2 * row + 1];
    const state = cpuState[cpu];
    if (state & GAP) endGap(summary, cpu, low, high, (state & SEEN) !== 0);
    cpuState[cpu] = SEEN;
    cpuLast[2 * cpu] = low;
    cpuLast[2 * cpu + 1] = high;
  }
}

function addLoss(summary: EventSummary, batch: EventBatch, row: number): void {
  summary.lostRegions++;
  const events = batch.fields[row] & F_ARG0 ? batch.arg0[2 * row] + batch.arg0[2 * row + 1] * TWO_32 : null;
  if (events === null) summary.lostUnknown++;
  else summary.lostEvents += events;
  const cpu = batch.cpu[row];
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  if (isKept(summary.losses, low, high, cpu, events))
    summary.losses = withLosses(summary.losses, [{ low, high, cpu, events }]);
  summary.cpuState[cpu] |= GAP;
}

function endGap(summary: EventSummary, cpu: number, low: number, high: number, seen: boolean): void {
  const from = seen ? summary.cpuLast : summary.first;
  const at = seen ? 2 * cpu : 0;
  summary.lostNs += Math.max(0, diffWords(low, high, from[at], from[at + 1]));
}

/** Gaps that no later record ended reach to the end of the recording. To be called once, at the end. */
export function finishEvents(summary: EventSummary): void {
  // Eight CPUs at a time: most of the 65536 were not seen.
  const { cpuState } = summary;
  const eights = new Float64Array(cpuState.buffer, cpuState.byteOffset, cpuState.length / 8);
  for (let i = 0; i < eights.length; i++)
    if (eights[i] !== 0) for (let cpu = 8 * i; cpu < 8 * i + 8; cpu++) finishCpu(summary, cpu);
}

function finishCpu(summary: EventSummary, cpu: number): void {
  const state = summary.cpuState[cpu];
  if (state === 0) return;
  summary.cpus++;
  if (state & GAP) endGap(summary, cpu, summary.last[0], summary.last[1], (state & SEEN) !== 0);
  summary.cpuState[cpu] = SEEN;
}

/** Events lost as far as losses said how many; null when none of them did. */
export function lostEvents(summary: EventSummary): number | null {
  return summary.lostUnknown > 0 && summary.lostUnknown === summary.lostRegions ? null : summary.lostEvents;
}
