/**
 * Calls the kernel that takes events from the streams (src/kernels/page-merge.ts), keeps its tables, and adds to rows
 * what copies of fields cannot be.
 */
import { type Arena, allocate, allocateI32 } from '../../core/arena.ts';
import { type ArenaBatch, F_CODE, F_ISA } from '../../core/event-batch.ts';
import { addRecordPlan, createRecordPlans } from '../tracepoint/record-plans.ts';
import type { CpuStreams } from './cpu-streams.ts';
import { addSpecial, type EventRows, EXIT, PLAIN } from './event-rows.ts';
import {
  M_HEAP,
  M_HEAP_SIZE,
  M_LISTED,
  M_LISTED_CAPACITY,
  M_LISTED_COUNT,
  M_MULT,
  M_OFFSET,
  M_PAGE_COMMIT,
  M_PAGE_DATA,
  M_PAGE_TIME,
  M_PLANS,
  M_RECORDS,
  M_SHIFT,
  M_STEP,
  M_STREAMS,
  M_TABLE_BYTES,
  MERGED_ROWS,
  STEP_AGAIN,
  STEP_WRITE,
} from './stream-layout.ts';

/** common_pid of every kernel so far, which the merge relies on. */
const PID_OFFSET = 4;
/** Rows that are listed before they must be completed. */
const MAX_LISTED = 4096;
/** Words of a list's entry. */
const ENTRY = 4;

export interface PageMerge {
  readonly arena: Arena;
  readonly streams: CpuStreams;
  readonly rows: EventRows;
  readonly coreOnly: boolean;
  /** The kernel's table (stream-layout.ts). */
  readonly table: Int32Array;
  /** By event id, made when its first record has been decoded. */
  readonly plans: Int32Array;
  /** Ids whose plan was made, or found impossible. */
  readonly known: Uint8Array;
  /** Rows that are not complete: [row, stream, position, length] each. */
  readonly listed: Int32Array;
}

/** For streams whose times are converted alike, if they are (isUniform()). */
export function createPageMerge(
  arena: Arena,
  streams: CpuStreams,
  rows: EventRows,
  heap: Int32Array,
  coreOnly: boolean,
): PageMerge {
  const table = allocateI32(arena, M_TABLE_BYTES >> 2);
  const plans = createRecordPlans(arena);
  const listed = allocateI32(arena, ENTRY * MAX_LISTED);
  const { layout, conversion } = streams;
  table[M_OFFSET >> 2] = conversion?.offsetLow ?? 0;
  table[(M_OFFSET >> 2) + 1] = conversion?.offsetHigh ?? 0;
  table[M_MULT >> 2] = conversion?.mult ?? 0;
  table[M_SHIFT >> 2] = conversion?.shift ?? 0;
  table[M_STREAMS >> 2] = streams.words.byteOffset;
  table[M_HEAP >> 2] = heap.byteOffset;
  table[M_PLANS >> 2] = plans.byteOffset;
  if (!coreOnly) table[M_RECORDS >> 2] = allocate(arena, 4 * MERGED_ROWS);
  table[M_PAGE_TIME >> 2] = layout.timeOffset;
  table[M_PAGE_COMMIT >> 2] = layout.commitOffset;
  table[M_PAGE_DATA >> 2] = layout.dataOffset;
  table[M_LISTED >> 2] = listed.byteOffset;
  table[M_LISTED_CAPACITY >> 2] = MAX_LISTED;
  return { arena, streams, rows, coreOnly, table, plans, known: new Uint8Array(65536), listed };
}

/** Makes the plan of an id once its decoder is there. */
export function learnPlan({ plans, known, rows, coreOnly }: PageMerge, id: number): void {
  if (known[id] !== 0 || rows.known[id] === 0) return;
  known[id] = 1;
  const decoder = rows.decoders[id];
  if (!decoder || decoder.pidOffset !== PID_OFFSET) return;
  const kind = rows.kinds[id];
  const isExit = kind === EXIT;
  // Once known, the host's ISA does not change; while it is not, every exit has to look for it.
  const elseIsa = isExit && (decoder.fields & F_ISA) === 0 ? rows.context.defaultIsa : 0;
  const hasIsa = (decoder.fields & F_ISA) !== 0 || elseIsa !== 0;
  const isComplete = kind === PLAIN || (isExit && hasIsa && (decoder.fields & F_CODE) !== 0);
  addRecordPlan(plans, id, decoder, { elseIsa, coreOnly, listed: !isComplete });
}

/**
 * Adds rows from `batch.length` on, up to row `to`; returns what the top stream of the heap (of `size` streams) needs
 * next (STEP_*).
 */
export function takeRows(merge: PageMerge, size: number, batch: ArenaBatch, to: number): number {
  const { arena, table, coreOnly } = merge;
  const until = coreOnly ? to : Math.min(to, batch.length + MERGED_ROWS);
  table[M_HEAP_SIZE >> 2] = size;
  table[M_LISTED_COUNT >> 2] = 0;
  batch.length = arena.kernels.mergePages(table.byteOffset, batch.table, batch.length, until);
  completeRows(merge, batch, table[M_LISTED_COUNT >> 2]);
  const step = table[M_STEP >> 2];
  return step === STEP_WRITE && batch.length === until && until < to ? STEP_AGAIN : step;
}

/** Adds to the first `count` rows of the list. Their pages are still there: only TypeScript changes windows. */
function completeRows({ streams, rows, listed }: PageMerge, batch: ArenaBatch, count: number): void {
  for (let entry = 0; entry < ENTRY * count; entry += ENTRY) {
    const view = streams.views[listed[entry + 1]];
    const at = listed[entry + 2];
    const id = view.getUint16(at, true);
    addSpecial(rows, rows.kinds[id], id, view, at, listed[entry + 3], batch, listed[entry]);
  }
}
