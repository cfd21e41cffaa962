/** Members of sampled groups, which have no records of their own. */
import { note } from '../../core/diagnostics.ts';
import { copyRow, type EventBatch } from '../../core/event-batch.ts';
import { TWO_32 } from '../../core/words.ts';
import { PERF_TYPE_TRACEPOINT } from './attr.ts';
import { layoutOf, type RecordState } from './record-state.ts';

/**
 * `-e '{a,b}:S'` samples the leader only and notes the members' counts in it. perf delivers each member whose count
 * rose as a sample of its own with the leader's time and data (deliver_sample_group in tools/perf/util/session.c);
 * so do we, and say that such times mean nothing. Returns how many rows were added from `row` on.
 */
export function addGroupMembers(
  state: RecordState,
  view: DataView,
  at: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  const { little } = state;
  const layout = layoutOf(state, at, end - at) ?? state.layout;
  const format = layout.readFormat;
  // PERF_FORMAT_GROUP and PERF_FORMAT_ID: without ids the members cannot be told.
  if (!layout.hasRead || (format & 12) !== 12) return 0;
  const u64 = (offset: number) =>
    view.getUint32(offset + (little ? 0 : 4), little) +
    view.getUint32(offset + (little ? 4 : 0), little) * TWO_32;
  const own = layout.id < 0 ? -1 : u64(at + layout.id);
  let position = at + layout.variable;
  const count = u64(position);
  position += 8 + (format & 1 ? 8 : 0) + (format & 2 ? 8 : 0);
  const step = 16 + (format & 16 ? 8 : 0);
  let added = 0;
  for (let i = 0; i < count && position + step <= end && added < state.groupMembers; i++, position += step) {
    const id = u64(position + 8);
    const value = u64(position);
    const rose = value !== (state.groupCounts.get(id) ?? 0);
    state.groupCounts.set(id, value);
    const attr = state.attrs[state.attrOfId.get(id) ?? -1];
    const decoder = attr?.type === PERF_TYPE_TRACEPOINT ? state.decoders[attr.config] : undefined;
    if (id === own || !rose || !decoder) continue;
    copyRow(batch, row - 1, batch, row + added);
    batch.event[row + added] = decoder.event;
    added++;
    note(
      state.context.diagnostics,
      'leader-sampled-group',
      'data-loss',
      'events of a sampled group ({…}:S) are only counted with their leader: as in perf they appear at its time, so latencies between them mean nothing; record without :S',
    );
  }
  return added;
}
