/**
 * Pass `detail`: what each exit was about (MSR, port, MMIO address, CPUID leaf, faulting page …), by exit reason and by
 * what KVM_RUN gave to user space, each with the exit's own latency and escalation. Every exit is in exactly one row
 * (event 0: no detail was recorded), so that rows sum to the totals while nothing was evicted, and `all` always does.
 */

import { directionOf, isFault, PAGE_MASK, REGION_MASK } from './detail-key.ts';
import type { ExitBatch } from './exit-batch.ts';
import {
  addToTable,
  createExitTable,
  type ExitTableResult,
  type ExitTableState,
  exitTableResult,
  mergeExitTables,
} from './exit-table.ts';
import type { Pass } from './pass.ts';
import { hasDetails } from './recorded-events.ts';

/** Ints of a key of `details`. */
export const D_ISA = 0;
export const D_CODE = 1;
/** KVM_EXIT_* + 1 of an escalated exit, 0 of one that stayed in the kernel. */
export const D_USERSPACE = 2;
/** Event code of the detail, 0: none. */
export const D_EVENT = 3;
export const D_DIRECTION = 4;
/** Address; of page faults the 2 MiB region. */
export const D_LOW = 5;
export const D_HIGH = 6;
const DETAIL_INTS = 7;

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
}

export interface DetailResult {
  readonly details: ExitTableResult;
  readonly pages: ExitTableResult;
  readonly vectors: ExitTableResult;
}

function addDetails(state: DetailState, batch: ExitBatch, selected: Uint8Array | null): void {
  const { details, pages, vectors } = state;
  const { key } = details;
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    const event = batch.detailEvent[row];
    key[D_ISA] = batch.isa[row];
    key[D_CODE] = batch.code[row];
    key[D_USERSPACE] = batch.userspaceExits[row] > 0 ? batch.userspaceCode[row] + 1 : 0;
    key[D_EVENT] = event;
    if (event === 0) {
      key[D_DIRECTION] = 0;
      key[D_LOW] = 0;
      key[D_HIGH] = 0;
    } else {
      const low = batch.detailAddress[2 * row];
      key[D_DIRECTION] = directionOf(event, batch.detailCode[row]);
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
}

export const detailPass: Pass<DetailOptions, DetailState, DetailResult> = {
  name: 'detail',
  allColumns: false,
  wants: hasDetails,
  create: ({ capacity }) => ({
    details: createExitTable(DETAIL_INTS, capacity),
    pages: createExitTable(2, capacity),
    vectors: createExitTable(1, capacity),
  }),
  exits: addDetails,
  merge: (state, other) => {
    mergeExitTables(state.details, other.details);
    mergeExitTables(state.pages, other.pages);
    mergeExitTables(state.vectors, other.vectors);
  },
  result: ({ details, pages, vectors }) => ({
    details: exitTableResult(details),
    pages: exitTableResult(pages),
    vectors: exitTableResult(vectors),
  }),
};
