/** `CPU:1 [LOST 903 EVENTS]` → an EV_LOST row right before that CPU's next event, stamped with its time. */
import { clearRow, F_ARG0, NO_CPU } from '../../core/event-batch.ts';
import { EV_LOST } from '../../core/events.ts';
import { TWO_32 } from '../../core/words.ts';
import { type LineState, ROWS_PER_LINE } from './line-state.ts';
import { lost } from './lost-line.ts';
import { isFull, place } from './reorder.ts';

/** Remembers the loss that readLost() found until the CPU's next event. */
export function takeLoss(state: LineState): void {
  rememberLoss(state, Math.min(lost.cpu, NO_CPU), lost.known && lost.high === 0 ? lost.low : -1);
}

/** Remembers a loss of `count` events (−1: unknown how many) until addLoss(). */
export function rememberLoss(state: LineState, cpu: number, count: number): void {
  const before = state.losses.get(cpu);
  state.losses.set(cpu, before === undefined ? count : before < 0 || count < 0 ? -1 : before + count);
}

/** Writes the loss that waits for `cpu` as the next row, stamped as the event that follows (time at the row after). */
export function addLoss(state: LineState, cpu: number): void {
  const { batch } = state.window;
  const row = batch.length;
  const next = row + 1;
  clearRow(batch, row);
  batch.time[2 * row] = batch.time[2 * next];
  batch.time[2 * row + 1] = batch.time[2 * next + 1];
  batch.event[row] = EV_LOST;
  batch.cpu[row] = cpu;
  const count = state.losses.get(cpu) ?? -1;
  state.losses.delete(cpu);
  if (count >= 0) {
    batch.arg0[2 * row] = count;
    batch.arg0[2 * row + 1] = Math.floor(count / TWO_32);
    batch.fields[row] = F_ARG0;
  }
  place(state.window);
}

/** Losses of CPUs that have no event any more; false if the window must be flushed first. */
export function takeLastLosses(state: LineState): boolean {
  for (const cpu of [...state.losses.keys()]) {
    const { batch } = state.window;
    if (isFull(state.window, ROWS_PER_LINE)) return false;
    const next = batch.length + 1;
    batch.time[2 * next] = state.lastTime[0];
    batch.time[2 * next + 1] = state.lastTime[1];
    addLoss(state, cpu);
  }
  return true;
}
