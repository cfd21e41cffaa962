/** What a file says of its events before and between the records: attrs, formats, names; and what there is to doubt. */
import { note } from '../../core/diagnostics.ts';
import { threadOf } from '../../core/thread-table.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr } from './attr.ts';
import { clockOf, MAX_IDS } from './header.ts';
import { addFormats, attrsChanged, type RecordState } from './record-state.ts';
import { parseTracingData } from './tracing-data.ts';

/** Attrs that a pipe may describe; more is damage. */
const MAX_ATTRS = 4096;

/** Takes in an attr that a pipe describes; `ids` are its sample ids. */
export function addAttr(state: RecordState, attr: PerfAttr, ids: readonly number[]): void {
  if (state.attrs.length === MAX_ATTRS || state.attrOfId.size + ids.length > MAX_IDS) {
    note(
      state.context.diagnostics,
      'too-many-attrs',
      'data-loss',
      `descriptions of events beyond ${MAX_ATTRS}, or beyond ${MAX_IDS} sample ids, were left out, and with them their samples`,
    );
    return;
  }
  const index = state.attrs.push(attr) - 1;
  for (const id of ids) state.attrOfId.set(id, index);
  attrsChanged(
    state,
    ids.map((id) => [id, index]),
  );
  describeAttr(state, attr);
  state.context.clock = clockOf(state.attrs);
}

/** Doubts that an attr raises. */
export function describeAttr(state: RecordState, attr: PerfAttr): void {
  const { diagnostics } = state.context;
  if (attr.type !== PERF_TYPE_TRACEPOINT) return;
  if (attr.freq || attr.samplePeriod > 1)
    note(
      diagnostics,
      'sampled-tracepoints',
      'data-loss',
      'tracepoints were sampled (-F or -c): events are missing by design and pairs cannot be trusted',
    );
  if (attr.writeBackward)
    note(
      diagnostics,
      'overwrite-mode',
      'suspect',
      'recorded with --overwrite: only the newest part of each ring is in the file',
    );
}

/** Takes in the event formats of a tracing_data blob. */
export function addTracingData(state: RecordState, bytes: Uint8Array): void {
  const { context } = state;
  const tracing = parseTracingData(bytes, context.diagnostics);
  addFormats(state, tracing.formats);
  for (const [tid, comm] of tracing.cmdlines) if (tid > 0) threadOf(context.threads, tid).comm = comm;
}

/** Fills the names of the events that were switched on, as far as their formats are known. */
export function nameEnabledEvents(state: RecordState): void {
  const enabled = new Set<string>();
  for (const attr of state.attrs) {
    const decoder = attr.type === PERF_TYPE_TRACEPOINT ? state.decoders[attr.config] : undefined;
    if (decoder) enabled.add(decoder.format.name);
  }
  state.context.enabledEvents = enabled;
}
