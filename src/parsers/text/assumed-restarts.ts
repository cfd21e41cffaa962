/** kvm_userspace_exit as libtraceevent prints it: errors are gone, but two reasons only ever come with one. */
import { type EventBatch, F_ARG0, F_CODE } from '../../core/event-batch.ts';
import { EV_USERSPACE_EXIT } from '../../core/events.ts';
import type { LineState } from './line-state.ts';

const EINTR = 4;
const KVM_EXIT_UNKNOWN = 0;
const KVM_EXIT_INTR = 10;

/**
 * Makes a restart of the row if it holds a printed reason that no KVM_RUN without error has: INTR is only ever set
 * together with −EINTR, UNKNOWN is what the field holds before the first exit. `raw`: printed as fields, which is right.
 */
export function assumeRestart(state: LineState, batch: EventBatch, row: number, raw: boolean): void {
  if (raw || !state.dialect.errnoLost || batch.event[row] !== EV_USERSPACE_EXIT) return;
  if (batch.fields[row] !== (F_CODE | F_ARG0)) return;
  state.doubtfulExits++;
  const code = batch.code[row];
  if (code !== KVM_EXIT_INTR && code !== KVM_EXIT_UNKNOWN) return;
  batch.fields[row] = F_ARG0;
  batch.arg0[2 * row] = -EINTR;
  batch.arg0[2 * row + 1] = -1;
}
