/** How the records of each event id become rows: compiled at the id's first record, from its declarations. */
import { note } from '../../core/diagnostics.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import { qemuEventCode } from '../../core/qemu-event-fields.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { C_ADDRESS, C_ARG0, C_CODE, C_VCPU, setColumn } from '../columns.ts';
import { argumentColumns, C_TEXT, NO_COLUMN } from '../qemu-events/argument-columns.ts';
import { type InternedBytes, internBytes } from '../qemu-events/interned-bytes.ts';
import { declarationsOf } from '../qemu-events/known-events.ts';
import type { EventDeclaration, TraceEvents } from '../qemu-events/trace-events.ts';
import { type EventWalk, planEvent } from './walk-events.ts';

/** Longest string argument that QEMU writes (MAX_TRACE_STRLEN of trace/simple.h). */
export const MAX_STRING = 512;

export interface ArgumentPlan {
  /** Bytes of the arguments; −1 if there are strings among them. */
  readonly size: number;
  /** Column per argument, NO_COLUMN for those that are skipped. */
  readonly columns: Int8Array;
  /** 1 for strings. */
  readonly strings: Uint8Array;
}

export interface EventPlan {
  /** Event code of the capture. */
  readonly code: number;
  /** The name is the file's, not made up from the number. */
  readonly named: boolean;
  /** Ways to read the arguments; the first that fits a record's length is taken. Empty: names alone. */
  readonly layouts: readonly ArgumentPlan[];
  /** The first layout if it has no strings; null also where only names are known. */
  readonly numbers: ArgumentPlan | null;
  /** The first layout is this recording's own declaration. */
  readonly declared: boolean;
}

export interface EventPlans {
  readonly context: TraceContext;
  readonly traceEvents: TraceEvents | null;
  /** The kernel is told of plans that it can follow. */
  readonly walk: EventWalk;
  /** ParseOptions.coreOnly. */
  readonly coreOnly: boolean;
  /** Names that the file states for ids (version 4), or that the events file implies (older). */
  readonly names: Map<number, string>;
  /** Ids below SMALL_IDS: almost all. */
  readonly small: (EventPlan | undefined)[];
  readonly large: Map<number, EventPlan>;
  /** Ids without a name that got one from their number. */
  unnamed: number;
}

const SMALL_IDS = 65536;
/** Most ids of a file, and most of them without a name. */
const MAX_NAMES = 65536;
const MAX_UNNAMED = 4096;

export function createEventPlans(
  context: TraceContext,
  traceEvents: TraceEvents | null,
  walk: EventWalk,
  version: number,
  coreOnly: boolean,
): EventPlans {
  const names = new Map<number, string>();
  if (version < 4) for (const [id, { name }] of (traceEvents?.numbered ?? []).entries()) names.set(id, name);
  return { context, traceEvents, walk, coreOnly, names, small: [], large: new Map(), unnamed: 0 };
}

/** Takes a mapping record. A name for an id that has one already is that of a new recording (files joined by cat). */
export function nameEvent(plans: EventPlans, id: number, name: string): void {
  if (plans.names.get(id) === name) return;
  if (plans.names.size >= MAX_NAMES && !plans.names.has(id)) {
    note(
      plans.context.diagnostics,
      'too-many-event-names',
      'data-loss',
      'more event names than a capture can hold',
    );
    return;
  }
  plans.names.set(id, name);
  if (id < SMALL_IDS) {
    plans.small[id] = undefined;
    planEvent(plans.walk, id, 0, null);
  } else plans.large.delete(id);
}

/** The plan of an id, null if there is none yet: learnEvent() makes it. */
export function planOf(plans: EventPlans, id: number): EventPlan | null {
  return (id < SMALL_IDS ? plans.small[id] : plans.large.get(id)) ?? null;
}

/** Makes the plan of an id at its first record; null if the capture cannot hold more events without a name. */
export function learnEvent(plans: EventPlans, id: number): EventPlan | null {
  const { context } = plans;
  let name = plans.names.get(id);
  const named = name !== undefined;
  if (name === undefined) {
    if (plans.unnamed >= MAX_UNNAMED) return null;
    plans.unnamed++;
    name = `qemu_event_${id}`;
  }
  const code = qemuEventCode(context.events, name);
  if (code === 0)
    note(
      context.diagnostics,
      'too-many-event-names',
      'data-loss',
      'more event names than a capture can hold: the rest are kept without a name',
    );
  const own = plans.traceEvents?.byName.get(name);
  const layouts = declarationsOf(name, own).map((declaration) => planArguments(declaration, plans.coreOnly));
  const plan: EventPlan = {
    code,
    named,
    layouts,
    numbers: named && layouts.length > 0 && layouts[0].size >= 0 ? layouts[0] : null,
    declared: own !== undefined,
  };
  if (id < SMALL_IDS) {
    plans.small[id] = plan;
    planEvent(plans.walk, id, code, plan.numbers);
  } else plans.large.set(id, plan);
  return plan;
}

/** Columns of an analysis of exits (ParseOptions.coreOnly); the text of a memory region's event is its device's name. */
const CORE_COLUMNS: readonly number[] = [C_VCPU, C_CODE, C_ADDRESS, C_ARG0, C_TEXT];

function planArguments(declaration: EventDeclaration, coreOnly: boolean): ArgumentPlan {
  const { args } = declaration;
  const columns = argumentColumns(declaration);
  return {
    size: args.some((arg) => arg.isString) ? -1 : 8 * args.length,
    columns: coreOnly
      ? columns.map((column) => (CORE_COLUMNS.includes(column) ? column : NO_COLUMN))
      : columns,
    strings: Uint8Array.from(args, (arg) => (arg.isString ? 1 : 0)),
  };
}

/** Whether the arguments in [at, end) can be read by this layout. */
export function fitsLayout(
  layout: ArgumentPlan,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
): boolean {
  if (layout.size >= 0) return layout.size === end - at;
  let p = at;
  for (let i = 0; i < layout.strings.length; i++) {
    if (layout.strings[i] === 0) p += 8;
    else {
      if (p + 4 > end) return false;
      const length = view.getUint32(p, little);
      if (length > MAX_STRING) return false;
      p += 4 + length;
    }
  }
  return p === end;
}

/** Writes arguments that fit the layout to their columns. */
export function readArguments(
  layout: ArgumentPlan,
  interned: InternedBytes,
  buf: Uint8Array,
  view: DataView,
  at: number,
  little: boolean,
  batch: EventBatch,
  row: number,
): void {
  const { columns, strings } = layout;
  let p = at;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i];
    if (strings[i] === 0) {
      if (column !== NO_COLUMN) {
        const first = view.getUint32(p, little);
        const second = view.getUint32(p + 4, little);
        if (little) setColumn(batch, row, column, first, second);
        else setColumn(batch, row, column, second, first);
      }
      p += 8;
    } else {
      const start = p + 4;
      p = start + view.getUint32(p, little);
      if (column === C_TEXT && p > start) batch.text[row] = internBytes(interned, buf, start, p);
    }
  }
}
