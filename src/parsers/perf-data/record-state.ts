/** What the record functions share: attrs, decoders and the window of one record stream. */
import { type Arena, allocateU8, allocateU32 } from '../../core/arena.ts';
import { F_CODE, F_ISA } from '../../core/event-columns.ts';
import { EXIT_REASON_EVENTS } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { TWO_32 } from '../../core/words.ts';
import { compileDecoder, type RecordDecoder } from '../tracepoint/decoder.ts';
import type { EventFormat } from '../tracepoint/format.ts';
import { addRecordPlan, createRecordPlans } from '../tracepoint/record-plans.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr, type SampleLayout, sampleLayout } from './attr.ts';
import type { PerfHeader } from './header.ts';
import { addPlan, createPlans } from './plans.ts';
import { createRecordWindow, type RecordWindow, WINDOW_LIMITS, type WindowLimits } from './record-window.ts';
import { ID_FOREIGN, ID_MAIN, ID_OTHER_LAYOUT, ID_TABLE } from './sample-ids.ts';
import { createHits, type Hits, recordsTwice } from './twin-samples.ts';
import {
  W_CALLCHAIN,
  W_CPU,
  W_ID,
  W_ID_KINDS,
  W_LISTED,
  W_PLANS,
  W_READ,
  W_TID,
  W_TIME,
  W_VARIABLE,
} from './window-layout.ts';

/** Members of one sampled group that are looked at. */
const MAX_MEMBERS = 64;

export interface RecordState {
  readonly context: TraceContext;
  readonly little: boolean;
  readonly attrs: PerfAttr[];
  /** Index into attrs by sample id. */
  readonly attrOfId: Map<number, number>;
  /** ID_* by sample id; null where all attrs are tracepoints of one layout. */
  idKinds: Uint8Array | null;
  /** Its memory, once it has been needed. */
  idTable: Uint8Array | null;
  /** Layout of the tracepoints' samples, of side-band records and of samples whose attr cannot be found. */
  layout: SampleLayout;
  /** By tracepoint id. */
  readonly decoders: (RecordDecoder | undefined)[];
  readonly window: RecordWindow;
  /** Samples of the main layout have a time, in this processor's byte order: a kernel can walk over them. */
  walksPlain: boolean;
  /** … and a thread and raw data, and stand for one event each: a kernel can merge them. */
  mergesPlain: boolean;
  /** Most members that a sampled group adds to a sample; 0 where there are no such groups. */
  groupMembers: number;
  /** Last count of each member by sample id. */
  readonly groupCounts: Map<number, number>;
  /** Where tracepoints were recorded more than once: their last hits. */
  hits: Hits | null;
  /** Lost events that LOST records have told, and those that LOST_SAMPLES state for the whole recording. */
  lossesTold: number;
  lossesStated: number;
  /** Only columns that analyses of exits read are wanted (ParseOptions.coreOnly). */
  readonly coreOnly: boolean;
  /** What the merge does, by tracepoint id. */
  readonly plans: Int32Array;
  /** How rows that the merge leaves out are completed, by tracepoint id. */
  readonly recordPlans: Int32Array;
  /** Rows of a merge that are not complete, each with the position of its raw data. */
  readonly listed: Uint32Array;
}

/** Rows that are merged at once. */
export const MERGED_ROWS = 4096;

export function createRecordState(
  context: TraceContext,
  { little, attrs, attrOfId }: Pick<PerfHeader, 'little' | 'attrs' | 'attrOfId'>,
  coreOnly: boolean,
  arena: Arena,
  limits: WindowLimits = WINDOW_LIMITS,
): RecordState {
  const state: RecordState = {
    context,
    little,
    attrs,
    attrOfId,
    idKinds: null,
    idTable: null,
    layout: NO_LAYOUT,
    decoders: [],
    window: createRecordWindow(arena, limits),
    walksPlain: false,
    mergesPlain: false,
    groupMembers: 0,
    groupCounts: new Map(),
    hits: null,
    lossesTold: 0,
    lossesStated: 0,
    coreOnly,
    plans: createPlans(arena),
    recordPlans: createRecordPlans(arena),
    listed: allocateU32(arena, 2 * MERGED_ROWS),
  };
  const { table } = state.window;
  table[W_PLANS >> 2] = state.plans.byteOffset;
  table[W_LISTED >> 2] = state.listed.byteOffset;
  attrsChanged(state);
  return state;
}

/** Until a pipe has told its attrs no record can be understood. */
const NO_LAYOUT = sampleLayout(0, 0, false);

/** To be called when attrs or ids were added: with those that are new, where only such were. */
export function attrsChanged(
  state: RecordState,
  added: Iterable<readonly [id: number, attr: number]> = state.attrOfId,
): void {
  const { attrs } = state;
  if (attrs.length === 0) return;
  const main = attrs.find((attr) => attr.type === PERF_TYPE_TRACEPOINT) ?? attrs[0];
  const { layout } = main;
  // A pipe may describe thousands of events with thousands of ids each.
  const known = state.idKinds !== null && state.layout === layout;
  state.layout = layout;
  const kind = (attr: PerfAttr | undefined) =>
    attr && attr.type !== PERF_TYPE_TRACEPOINT
      ? ID_FOREIGN
      : attr && (attr.sampleType !== main.sampleType || attr.readFormat !== main.readFormat)
        ? ID_OTHER_LAYOUT
        : ID_MAIN;
  if (!known) state.idKinds = null;
  if (known || (!attrs.every((attr) => kind(attr) === ID_MAIN) && layout.id >= 0)) {
    state.idKinds ??= state.idTable?.fill(0) ?? allocateU8(state.window.arena, ID_TABLE);
    state.idTable = state.idKinds;
    for (const [id, index] of known ? added : state.attrOfId)
      if (id < ID_TABLE) state.idKinds[id] = kind(attrs[index]);
  }
  state.groupMembers = attrs.some((attr) => attr.layout.hasRead && attr.readFormat & 8) ? MAX_MEMBERS : 0;
  state.hits = layout.id >= 0 && recordsTwice(attrs) ? (state.hits ?? createHits()) : null;
  state.walksPlain = state.little && layout.time >= 0;
  state.mergesPlain =
    state.walksPlain && layout.tid >= 0 && layout.hasRaw && state.groupMembers === 0 && state.hits === null;
  showLayout(state);
}

function showLayout({ window: { table }, layout, idKinds }: RecordState): void {
  table[W_TIME >> 2] = layout.time;
  table[W_ID >> 2] = layout.id;
  table[W_TID >> 2] = layout.tid;
  table[W_CPU >> 2] = Math.max(0, layout.cpu);
  table[W_VARIABLE >> 2] = layout.variable;
  table[W_READ >> 2] = layout.hasRead ? layout.readFormat + 1 : 0;
  table[W_CALLCHAIN >> 2] = layout.hasCallchain ? 1 : 0;
  table[W_ID_KINDS >> 2] = idKinds?.byteOffset ?? 0;
}

/** Makes decoders of the recorded formats by tracepoint id (at most 65535: common_type is a u16). */
export function addFormats(state: RecordState, formats: ReadonlyMap<number, EventFormat>): void {
  for (const [id, format] of formats) {
    if (id >= 65536 || state.decoders[id]) continue;
    const decoder = compileDecoder(format, state.context.events, state.little, state.context.kernel);
    state.decoders[id] = decoder;
    addPlan(state.plans, id, decoder, state.coreOnly);
    // Which ISA an exit without `isa` is of may be told later; one without reason needs a name (completeExit).
    if ((~decoder.fields & (F_ISA | F_CODE)) === 0 || !EXIT_REASON_EVENTS.has(decoder.event))
      addRecordPlan(state.recordPlans, id, decoder, { elseIsa: 0, coreOnly: false, listed: false });
  }
}

/** ID_* of the sample at `at`, whose record is `size` bytes long. */
export function idKind(state: RecordState, at: number, size: number): number {
  const { idKinds, layout, little } = state;
  if (idKinds === null || layout.id + 8 > size) return ID_MAIN;
  const { view } = state.window;
  const low = view.getUint32(at + layout.id + (little ? 0 : 4), little);
  const high = view.getUint32(at + layout.id + (little ? 4 : 0), little);
  if (high === 0 && low < ID_TABLE) return idKinds[low] || ID_MAIN;
  const attr = state.attrs[state.attrOfId.get(high * TWO_32 + low) ?? -1];
  return attr && attr.type !== PERF_TYPE_TRACEPOINT ? ID_FOREIGN : attr ? ID_OTHER_LAYOUT : ID_MAIN;
}

/** Layout of the sample at `at`; null for samples of events that are no tracepoints. */
export function layoutOf(state: RecordState, at: number, size: number): SampleLayout | null {
  const kind = idKind(state, at, size);
  if (kind === ID_MAIN) return state.layout;
  if (kind === ID_FOREIGN) return null;
  const { view } = state.window;
  const { layout, little } = state;
  const low = view.getUint32(at + layout.id + (little ? 0 : 4), little);
  const high = view.getUint32(at + layout.id + (little ? 4 : 0), little);
  return state.attrs[state.attrOfId.get(high * TWO_32 + low) ?? -1]?.layout ?? layout;
}
