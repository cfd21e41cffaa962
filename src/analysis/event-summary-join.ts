/** Summaries of consecutive parts of a recording as one: what was lost around the cut needs both. */
import { compareWords, diffWords } from '../core/words.ts';
import type { EventSummary } from './event-summary.ts';
import { withLosses } from './largest-losses.ts';
import type { PairingPart } from './pairing-part.ts';

/** Bits of cpuState (event-summary.ts). */
const SEEN = 1;
const GAP = 2;

/** CPUs that recorded events or losses. */
export function cpusSeen({ cpuState }: EventSummary): number[] {
  const cpus: number[] = [];
  // Eight at a time: most of the 65536 were not seen.
  const eights = new Float64Array(cpuState.buffer, cpuState.byteOffset, cpuState.length / 8);
  for (let i = 0; i < eights.length; i++)
    if (eights[i] !== 0)
      for (let cpu = 8 * i; cpu < 8 * i + 8; cpu++) if (cpuState[cpu] !== 0) cpus.push(cpu);
  return cpus;
}

/** Adds the summary of the next part, which `next` paired, and which saw `cpus`. Neither has been finished. */
export function joinEventSummaries(
  summary: EventSummary,
  later: EventSummary,
  next: PairingPart,
  cpus: readonly number[],
): void {
  if (!later.hasTime) return;
  joinGaps(summary, later, next, cpus);
  for (const name of ['counts', 'markerCounts'] as const)
    for (let code = 0; code < summary[name].length; code++) summary[name][code] += later[name][code];
  for (const name of ['markers', 'events', 'lostRegions', 'lostEvents', 'lostUnknown', 'lostNs'] as const)
    summary[name] += later[name];
  summary.losses = withLosses(summary.losses, later.losses);
  if (!summary.hasTime || earlier(later.first, summary.first)) summary.first.set(later.first);
  if (!summary.hasTime || earlier(summary.last, later.last)) summary.last.set(later.last);
  summary.hasTime = true;
  summary.gaps ||= later.gaps;
}

const earlier = (a: Uint32Array, b: Uint32Array) => compareWords(a[0], a[1], b[0], b[1]) < 0;

/**
 * A gap that is open at the cut ends with its CPU's first record of the next part; one that the next part reports
 * before that record begins with the CPU's last record of this one, where the next part knew its own beginning only.
 */
function joinGaps(
  summary: EventSummary,
  later: EventSummary,
  { losses, times }: PairingPart,
  cpus: readonly number[],
): void {
  const start = summary.hasTime ? summary.first : later.first;
  for (const cpu of cpus) {
    const state = later.cpuState[cpu];
    if ((state & SEEN) === 0) {
      summary.cpuState[cpu] |= state;
      continue;
    }
    const at = 2 * cpu;
    const lostFirst = losses.firstLoss[cpu] < losses.first[cpu];
    const since = (from: Uint32Array, index: number) =>
      Math.max(0, diffWords(times.first[at], times.first[at + 1], from[index], from[index + 1]));
    if (lostFirst) summary.lostNs -= since(later.first, 0);
    if (lostFirst || summary.cpuState[cpu] & GAP)
      summary.lostNs += summary.cpuState[cpu] & SEEN ? since(summary.cpuLast, at) : since(start, 0);
    summary.cpuState[cpu] = state;
    summary.cpuLast[at] = later.cpuLast[at];
    summary.cpuLast[at + 1] = later.cpuLast[at + 1];
  }
}
