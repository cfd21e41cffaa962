/** What the record functions share: attrs, decoders and the window of one record stream. */
import { EXIT_REASON_EVENTS } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { compileDecoder, type RecordDecoder } from '../tracepoint/decoder.ts';
import type { EventFormat } from '../tracepoint/format.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr, type SampleLayout, sampleLayout } from './attr.ts';
import { addPlan, createPlans } from './core-block.ts';
import { createRecordWindow, type RecordWindow, WINDOW_LIMITS, type WindowLimits } from './record-window.ts';

/** What a sample id says of its record: samples of the main layout need no further look-up. */
export const ID_MAIN = 1;
/** A tracepoint whose samples are laid out otherwise. */
export const ID_OTHER_LAYOUT = 2;
/** No tracepoint: not ours. */
export const ID_FOREIGN = 3;

/** Ids are small numbers (a kernel counter); larger ones are looked up in a Map. */
const ID_TABLE = 1 << 18;
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
  /** Layout of the tracepoints' samples, of side-band records and of samples whose attr cannot be found. */
  layout: SampleLayout;
  /** By tracepoint id. */
  readonly decoders: (RecordDecoder | undefined)[];
  readonly window: RecordWindow;
  /** Little-endian, time aligned and at a fixed place: whole words can be read. */
  fast: boolean;
  /** Most members that a sampled group adds to a sample; 0 where there are no such groups. */
  groupMembers: number;
  /** Last count of each member by sample id. */
  readonly groupCounts: Map<number, number>;
  /** Only columns that analyses of exits read are wanted (see decodeCore). */
  readonly coreOnly: boolean;
  /** Plain samples are decoded in blocks: core columns only, everything at a fixed place, no groups. */
  blocks: boolean;
  /** What decodeCoreBlock() does, by tracepoint id. */
  readonly plans: Int32Array;
  /** Word positions of samples that are decoded together, in order of time. */
  readonly order: Uint32Array;
}

/** Without blocks no plan is looked up. */
const NO_PLANS = new Int32Array(0);

/** Samples that are decoded together. */
const BLOCK = 2048;

export function createRecordState(
  context: TraceContext,
  little: boolean,
  attrs: PerfAttr[],
  attrOfId: Map<number, number>,
  coreOnly: boolean,
  limits: WindowLimits = WINDOW_LIMITS,
): RecordState {
  const state: RecordState = {
    context,
    little,
    attrs,
    attrOfId,
    idKinds: null,
    layout: NO_LAYOUT,
    decoders: [],
    window: createRecordWindow(limits),
    fast: false,
    groupMembers: 0,
    groupCounts: new Map(),
    coreOnly,
    blocks: false,
    plans: coreOnly ? createPlans() : NO_PLANS,
    order: new Uint32Array(BLOCK),
  };
  attrsChanged(state);
  return state;
}

/** Until a pipe has told its attrs no record can be understood. */
const NO_LAYOUT = sampleLayout(0, 0, false);

/** To be called when attrs or ids were added. */
export function attrsChanged(state: RecordState): void {
  const { attrs } = state;
  if (attrs.length === 0) return;
  const main = attrs.find((attr) => attr.type === PERF_TYPE_TRACEPOINT) ?? attrs[0];
  const { layout } = main;
  state.layout = layout;
  const kind = (attr: PerfAttr | undefined) =>
    attr && attr.type !== PERF_TYPE_TRACEPOINT
      ? ID_FOREIGN
      : attr && (attr.sampleType !== main.sampleType || attr.readFormat !== main.readFormat)
        ? ID_OTHER_LAYOUT
        : ID_MAIN;
  state.idKinds = null;
  if (!attrs.every((attr) => kind(attr) === ID_MAIN) && layout.id >= 0) {
    state.idKinds = new Uint8Array(ID_TABLE);
    for (const [id, index] of state.attrOfId) if (id < ID_TABLE) state.idKinds[id] = kind(attrs[index]);
  }
  state.fast = state.little && layout.time >= 0 && layout.time % 8 === 0;
  state.groupMembers = attrs.some((attr) => attr.layout.hasRead && attr.readFormat & 8) ? MAX_MEMBERS : 0;
  state.blocks =
    state.coreOnly &&
    state.fast &&
    state.groupMembers === 0 &&
    layout.fixedRaw &&
    layout.tid >= 0 &&
    layout.variable % 4 === 0;
}

/** Makes decoders of the recorded formats by tracepoint id (at most 65535: common_type is a u16). */
export function addFormats(state: RecordState, formats: ReadonlyMap<number, EventFormat>): void {
  for (const [id, format] of formats) {
    if (id >= 65536 || state.decoders[id]) continue;
    const decoder = compileDecoder(format, state.context.events, state.little);
    state.decoders[id] = decoder;
    if (state.coreOnly) addPlan(state.plans, id, decoder, EXIT_REASON_EVENTS.has(decoder.event));
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
  const attr = state.attrs[state.attrOfId.get(high * 4294967296 + low) ?? -1];
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
  return state.attrs[state.attrOfId.get(high * 4294967296 + low) ?? -1]?.layout ?? layout;
}
