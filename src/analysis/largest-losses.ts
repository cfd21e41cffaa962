/** The largest losses of a recording, so that a report can say where they lie. */

/** Losses that are kept: what people are told of one by one. */
const MOST = 8;

export interface LossPlace {
  /** Time of the loss, as a word pair. */
  readonly low: number;
  readonly high: number;
  /** NO_CPU: not known. */
  readonly cpu: number;
  /** null: the recording does not say how many. */
  readonly events: number | null;
}

/** The largest first; a strict order, so that parts of a recording give what all of it gives. */
const bySize = (a: LossPlace, b: LossPlace) =>
  (b.events ?? -1) - (a.events ?? -1) || a.high - b.high || a.low - b.low || a.cpu - b.cpu;

/** Whether such a loss would be kept: most of millions are not, and nothing is to be made for them. */
export function isKept(
  list: readonly LossPlace[],
  low: number,
  high: number,
  cpu: number,
  events: number | null,
): boolean {
  if (list.length < MOST) return true;
  const least = list[MOST - 1];
  const smaller =
    (least.events ?? -1) - (events ?? -1) || high - least.high || low - least.low || cpu - least.cpu;
  return smaller < 0;
}

/** `list` with more of them, as many as are kept. */
export function withLosses(list: readonly LossPlace[], more: readonly LossPlace[]): LossPlace[] {
  return [...list, ...more].sort(bySize).slice(0, MOST);
}
