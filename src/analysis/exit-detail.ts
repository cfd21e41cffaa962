/**
 * Pass `detail`: what each exit was about (MSR, port, MMIO address, CPUID leaf, faulting page …), by exit reason and by
 * what KVM_RUN gave to user space, each with the exit's own latency and escalation. Every exit is in exactly one row
 * (event 0: no detail was recorded), so that rows sum to the totals while nothing was evicted, and `all` always does.
 */

import { type Arena, allocateU8 } from '../core/arena.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { directionOf, fillKinds, isFault } from './detail-key.ts';
import type { ExitBatch } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import {
  addToTable,
  createExitTable,
  type ExitTableResult,
  type ExitTableState,
  exitTableResult,
  mergeExitTables,
  plainTable,
  showTable,
} from './exit-table.ts';
import {
  D_CODE,
  D_EVENT,
  D_FLAGS,
  D_HIGH,
  D_ISA,
  D_LOW,
  D_USERSPACE,
  DETAIL_INTS,
  DIRECTION_MASK,
  ESCALATED,
  PAGE_MASK,
  REGION_MASK,
} from './exit-table-layout.ts';
import { DT_BYTES, DT_DETAILS, DT_KINDS, DT_PAGES, DT_VECTORS } from './exits-view-layout.ts';
import type { Pass } from './pass.ts';
import { hasDetails } from './recorded-events.ts';

export { D_CODE, D_EVENT, D_FLAGS, D_HIGH, D_ISA, D_LOW, D_USERSPACE, DIRECTION_MASK, ESCALATED };

/** Ints of a key of `pages`: page of 4 KiB. */
export const P_LOW = 0;
export const P_HIGH = 1;

export interface DetailOptions {
  /** Most rows of a table. */
  readonly capacity: number;
}

export const DETAIL_CAPACITY = 8192;

export interface DetailState {
  readonly details: ExitTableState;
  /** Faults without an access behind them, by page. */
  readonly pages: ExitTableState;
  /** By the vector that was injected during the exit. */
  readonly vectors: ExitTableState;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

export interface DetailResult {
  readonly details: ExitTableResult;
  readonly pages: ExitTableResult;
  readonly vectors: ExitTableResult;
}

function addDetails(state: DetailState, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    state.view,
    'countDetails',
    batch,
    selected,
    ({ words }) => {
      words[DT_DETAILS / 4] = showTable(state.details);
      words[DT_PAGES / 4] = showTable(state.pages);
      words[DT_VECTORS / 4] = showTable(state.vectors);
    },
    (row) => addExit(state, batch, row),
  );
}

function addExit({ details, pages, vectors }: DetailState, batch: ExitBatch, row: number): void {
  const { key } = details;
  const event = batch.detailEvent[row];
  key[D_ISA] = batch.isa[row];
  key[D_CODE] = batch.code[row];
  const escalated = batch.userspaceExits[row] > 0;
  const flag = escalated ? ESCALATED : 0;
  key[D_USERSPACE] = escalated ? batch.userspaceCode[row] : 0;
  key[D_EVENT] = event;
  if (event === 0) {
    key[D_FLAGS] = flag;
    key[D_LOW] = 0;
    key[D_HIGH] = 0;
  } else {
    const low = batch.detailAddress[2 * row];
    key[D_FLAGS] = directionOf(event, batch.detailCode[row]) | flag;
    key[D_LOW] = low;
    key[D_HIGH] = batch.detailAddress[2 * row + 1];
    if (isFault(event)) {
      key[D_LOW] = low & REGION_MASK;
      pages.key[P_LOW] = low & PAGE_MASK;
      pages.key[P_HIGH] = batch.detailAddress[2 * row + 1];
      addToTable(pages, batch, row);
    }
  }
  addToTable(details, batch, row);
  if (batch.vector[row] >= 0) {
    vectors.key[0] = batch.vector[row];
    addToTable(vectors, batch, row);
  }
}

function createDetailView(arena: Arena): KernelView {
  const view = createView(arena, DT_BYTES);
  // For every number that a column can hold.
  const kinds = allocateU8(arena, 65536);
  fillKinds(kinds);
  view.words[DT_KINDS / 4] = addressOf(kinds);
  return view;
}

export const detailPass: Pass<DetailOptions, DetailState, DetailResult> = {
  name: 'detail',
  allColumns: false,
  wants: hasDetails,
  create: ({ capacity }, _scope, arena = null) => ({
    details: createExitTable(DETAIL_INTS, capacity, arena),
    pages: createExitTable(2, capacity, arena),
    vectors: createExitTable(1, capacity, arena),
    view: arena === null ? null : createDetailView(arena),
  }),
  exits: addDetails,
  merge: (state, other) => {
    mergeExitTables(state.details, other.details);
    mergeExitTables(state.pages, other.pages);
    mergeExitTables(state.vectors, other.vectors);
  },
  plain: ({ details, pages, vectors }) => ({
    details: plainTable(details),
    pages: plainTable(pages),
    vectors: plainTable(vectors),
    view: null,
  }),
  result: ({ details, pages, vectors }) => ({
    details: exitTableResult(details),
    pages: exitTableResult(pages),
    vectors: exitTableResult(vectors),
  }),
};
