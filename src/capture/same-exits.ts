/**
 * Whether two kernel captures hold the same exits: a recording and its conversion, or two recorders that ran at the same
 * time. Merged, every exit would count twice and none would have its entry next.
 */
import type { EventBatch } from '../core/event-batch.ts';
import { F_CODE } from '../core/event-batch.ts';
import { EV_EXIT, EV_PPC_GUEST_EXIT, EV_S390_SIE_EXIT } from '../core/events.ts';
import { wordsToBigInt } from '../core/words.ts';

/** Exits that are kept of an input. */
const MAX_EXITS = 16384;
/** Text is printed to the microsecond, and a second recorder stamps a little later. */
const NEAR_NS = 5000;
const MIN_SAME = 10;
const MIN_SHARE = 0.8;

/** The first exits of an input in time order. */
export interface ExitSample {
  base: bigint | null;
  /** ns from `base`. */
  readonly times: number[];
  readonly tids: number[];
  /** −1: not recorded. */
  readonly codes: number[];
}

export function createExitSample(): ExitSample {
  return { base: null, times: [], tids: [], codes: [] };
}

export function addToExitSample(sample: ExitSample, batch: EventBatch): void {
  for (let row = 0; row < batch.length && sample.times.length < MAX_EXITS; row++) {
    const event = batch.event[row];
    if (
      (event !== EV_EXIT && event !== EV_S390_SIE_EXIT && event !== EV_PPC_GUEST_EXIT) ||
      batch.tid[row] < 0
    )
      continue;
    const time = wordsToBigInt(batch.time[2 * row], batch.time[2 * row + 1]);
    sample.base ??= time;
    sample.times.push(Number(time - sample.base));
    sample.tids.push(batch.tid[row]);
    sample.codes.push(batch.fields[row] & F_CODE ? batch.code[row] : -1);
  }
}

/** How many exits of the time that both samples cover are the same, and how many there are; null: not the same inputs. */
export function findSameExits(a: ExitSample, b: ExitSample): { same: number; of: number } | null {
  if (a.base === null || b.base === null) return null;
  const shift = Number(b.base - a.base);
  const from = Math.max(0, shift);
  const to = Math.min(a.times[a.times.length - 1], b.times[b.times.length - 1] + shift);
  const inside = (times: readonly number[], move: number) =>
    times.filter((time) => time + move >= from && time + move <= to).length;
  let same = 0;
  let first = 0;
  for (let i = 0; i < b.times.length; i++) {
    const time = b.times[i] + shift;
    if (time < from || time > to) continue;
    while (first < a.times.length && a.times[first] < time - NEAR_NS) first++;
    for (let j = first; j < a.times.length && a.times[j] <= time + NEAR_NS; j++)
      if (a.tids[j] === b.tids[i] && a.codes[j] === b.codes[i]) {
        same++;
        break;
      }
  }
  const of = Math.min(inside(a.times, 0), inside(b.times, shift));
  return same >= MIN_SAME && same >= MIN_SHARE * of ? { same, of } : null;
}
