/**
 * Filters as asked for → what analyses compare events with: sets, and times on the recording's clock. Where `--from` and
 * `--to` count from the recording's first or last event, that has to be known before the first exit is judged.
 */
import { addSpan, createEventSummary, type EventSummary } from '../analysis/event-summary.ts';
import { reasonKey, type Selection } from '../analysis/selection.ts';
import { storeBigInt, wordsToBigInt } from '../core/words.ts';
import { type EventStream, forEachBatch, openEvents } from './event-stream.ts';
import type { Filters, ReadOptions, TimeBound } from './options.ts';

export interface ReportSelection extends Selection {
  readonly reasons: Set<number> | null;
  readonly excludes: Set<number> | null;
}

/** First and last time of a recording, ns; null: nobody has asked. */
export interface Span {
  readonly first: bigint | null;
  readonly last: bigint | null;
}

type Ends = Pick<EventSummary, 'first' | 'last' | 'hasTime'>;

const firstOf = ({ first }: Ends) => wordsToBigInt(first[0], first[1]);
const lastOf = ({ last }: Ends) => wordsToBigInt(last[0], last[1]);

/** Whether the recording, now that all of it has been read, begins and ends where it was taken to. */
export function holds({ first, last }: Span, summary: Ends): boolean {
  if (!summary.hasTime) return true;
  return (first === null || first === firstOf(summary)) && (last === null || last === lastOf(summary));
}

/**
 * Where the filters' times count from, with as little reading as that takes: the start is the first event's time, and
 * the end that of a capture's last block, as events come in order of time. Recordings exist whose clock went backwards:
 * whoever has read all of it asks holds(), and takes readSpan() if that says no.
 */
export async function guessSpan(
  paths: readonly string[],
  { from, to }: Filters,
  options: ReadOptions,
): Promise<Span> {
  const bounds = [from, to].filter((bound) => bound !== null);
  const wantsFirst = bounds.some(({ origin }) => origin === 'start');
  const wantsLast = bounds.some(({ origin }) => origin === 'end');
  const last = wantsLast ? await lastBlockEnd(paths, options) : null;
  if (wantsLast && last === null) return await readSpan(paths, options);
  return { first: wantsFirst ? await firstTime(paths, options) : null, last };
}

/** The same by reading all of it. */
export async function readSpan(paths: readonly string[], options: ReadOptions): Promise<Span> {
  const summary = createEventSummary();
  await forEachBatch(await openTimes(paths, options), options, (batch) => addSpan(summary, batch));
  return { first: firstOf(summary), last: lastOf(summary) };
}

const openTimes = (paths: readonly string[], { traceEvents, kept = null }: ReadOptions) =>
  openEvents(paths, { traceEvents, kept }, true);

async function firstTime(paths: readonly string[], options: ReadOptions): Promise<bigint | null> {
  const stream = await openTimes(paths, options);
  try {
    const first = nextBatch(stream);
    return first === null ? null : wordsToBigInt(first.time[0], first.time[1]);
  } finally {
    stream.close();
  }
}

/** The first batch that has rows. */
function nextBatch({ batches }: EventStream) {
  for (let next = batches.next(); !next.done; next = batches.next())
    if (next.value.length > 0) return next.value;
  return null;
}

/** Null if the input does not consist of blocks that can be read alone. */
async function lastBlockEnd(paths: readonly string[], options: ReadOptions): Promise<bigint | null> {
  const stream = await openTimes(paths, options);
  const [{ source, format }, ...others] = stream.inputs;
  const count = others.length > 0 ? 0 : (format.blocks?.(source) ?? 0);
  if (count === 0) {
    stream.close();
    return null;
  }
  stream.readBlocks({ from: count - 1, to: count }, count);
  const summary = createEventSummary();
  await forEachBatch(stream, options, (batch) => addSpan(summary, batch));
  return summary.hasTime ? lastOf(summary) : null;
}

function onClock({ ns, origin }: TimeBound, first: bigint, last: bigint): bigint {
  if (origin === 'clock') return ns;
  return origin === 'end' ? last - ns : first + ns;
}

/** null: everything. `span` has the ends that the filters count from. */
export function resolveSelection(filters: Filters, { first, last }: Span): ReportSelection | null {
  if (filters.words.length === 0) return null;
  const set = (values: readonly number[] | null) => (values === null ? null : new Set(values));
  const reasons = (list: Filters['reasons']) =>
    list === null ? null : new Set(list.map(({ isa, code }) => reasonKey(isa, code)));
  const words = (bound: TimeBound | null): [number, number] | null => {
    if (!bound) return null;
    const target = new Uint32Array(2);
    // An empty recording has no ends, and nothing to choose from.
    storeBigInt(target, 0, onClock(bound, first ?? 0n, last ?? 0n));
    return [target[0], target[1]];
  };
  return {
    pids: set(filters.pids),
    tids: set(filters.tids),
    vcpus: set(filters.vcpus),
    cpus: set(filters.cpus),
    reasons: reasons(filters.reasons),
    excludes: reasons(filters.excludes),
    levels: set(filters.levels),
    from: words(filters.from),
    to: words(filters.to),
  };
}
