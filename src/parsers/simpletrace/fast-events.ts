/**
 * The usual case apart from all others, because files hold millions of it: events of version 4, little endian, of a
 * known id, whose arguments are numbers and as many as declared.
 */
import { F_ADDRESS, F_ARG0, F_CODE, UNKNOWN } from '../../core/event-batch.ts';
import { C_ADDRESS, C_ARG0, C_CODE, C_VCPU, setColumn } from '../text/columns.ts';
import { NO_COLUMN } from './argument-columns.ts';
import type { RecordState } from './records.ts';

/** Type word and header of an event. */
const FRONT = 32;

/** Takes events from [at, end) as long as they are of the usual kind; returns the position after the last. */
export function takeFastEvents(state: RecordState, view: DataView, at: number, end: number): number {
  const { window } = state;
  const { small } = state.plans;
  const { batch } = window;
  const { time, pid, event, vcpu, code, text, fields, address, arg0, capacity } = batch;
  let row = batch.length;
  let p = at;
  while (row < capacity && p + FRONT <= end) {
    if (
      view.getUint32(p, true) !== 1 ||
      view.getUint32(p + 4, true) !== 0 ||
      view.getUint32(p + 12, true) !== 0
    )
      break;
    const id = view.getUint32(p + 8, true);
    const plan = id < small.length ? small[id] : undefined;
    if (plan === undefined || plan.numbers === null) break;
    const { columns, size } = plan.numbers;
    const next = p + FRONT + size;
    if (view.getUint32(p + 24, true) !== FRONT - 8 + size || next > end) break;
    const low = view.getUint32(p + 16, true);
    const high = view.getUint32(p + 20, true);
    const word = 2 * row;
    time[word] = low;
    time[word + 1] = high;
    pid[row] = view.getInt32(p + 28, true);
    event[row] = plan.code;
    vcpu[row] = UNKNOWN;
    text[row] = UNKNOWN;
    code[row] = 0;
    let bits = 0;
    let later = false;
    for (let i = 0; i < columns.length; i++) {
      const from = p + FRONT + 8 * i;
      switch (columns[i]) {
        case NO_COLUMN:
          break;
        case C_VCPU:
          vcpu[row] = view.getInt32(from, true);
          break;
        case C_CODE:
          code[row] = view.getUint32(from, true);
          bits |= F_CODE;
          break;
        case C_ADDRESS:
          address[word] = view.getUint32(from, true);
          address[word + 1] = view.getUint32(from + 4, true);
          bits |= F_ADDRESS;
          break;
        case C_ARG0:
          arg0[word] = view.getUint32(from, true);
          arg0[word + 1] = view.getUint32(from + 4, true);
          bits |= F_ARG0;
          break;
        default:
          later = true;
      }
    }
    fields[row] = bits;
    if (later)
      for (let i = 0; i < columns.length; i++) {
        const from = p + FRONT + 8 * i;
        if (columns[i] >= 0)
          setColumn(batch, row, columns[i], view.getUint32(from, true), view.getUint32(from + 4, true));
      }
    if (row > 0 && (high === time[word - 1] ? low < time[word - 2] : (high | 0) < (time[word - 1] | 0)))
      window.disordered = true;
    row++;
    state.previous = p;
    p = next;
  }
  batch.length = row;
  return p;
}
