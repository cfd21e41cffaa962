/** Where events were lost, for the metadata: the rows say the same, but people look here first. */
import { type EventBatch, F_ARG0, NO_CPU } from '../core/event-batch.ts';
import { EV_LOST } from '../core/events.ts';
import { wordsToBigInt, wordsToBigUint } from '../core/words.ts';

/** Most losses that are listed one by one. */
const MAX_LISTED = 1000;

export interface LossList {
  /** Number of loss rows. */
  regions: number;
  readonly listed: { time: string; cpu: number | null; events: string | null }[];
}

/** Adds the loss rows of a batch; times and counts are decimal text because JSON numbers are doubles. */
export function addLosses(losses: LossList, batch: EventBatch, rows: number): void {
  const { event } = batch;
  for (let row = event.indexOf(EV_LOST); row >= 0 && row < rows; row = event.indexOf(EV_LOST, row + 1)) {
    losses.regions++;
    if (losses.listed.length >= MAX_LISTED) continue;
    const word = 2 * row;
    losses.listed.push({
      time: wordsToBigInt(batch.time[word], batch.time[word + 1]).toString(),
      cpu: batch.cpu[row] === NO_CPU ? null : batch.cpu[row],
      events:
        batch.fields[row] & F_ARG0 ? wordsToBigUint(batch.arg0[word], batch.arg0[word + 1]).toString() : null,
    });
  }
}
