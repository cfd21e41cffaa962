/**
 * Pass `hotspots`: where the guest was when it left, by exit reason: the most frequent RIPs (bounded, with stated
 * error) and, exactly, how much came from the user and the kernel half of the address space.
 */
import { createView, type KernelView } from '../core/kernel-view.ts';
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
  H_CODE,
  H_HALF,
  H_HIGH,
  H_ISA,
  H_LOW,
  H_PID,
  HALF_INTS,
  HALF_KERNEL,
  HALF_UNKNOWN,
  HALF_USER,
  RIP_INTS,
} from './exit-table-layout.ts';
import { HS_BYTES, HS_HALVES, HS_RIPS } from './exits-view-layout.ts';
import type { Pass } from './pass.ts';

export { H_CODE, H_HALF, H_HIGH, H_ISA, H_LOW, H_PID, HALF_KERNEL, HALF_UNKNOWN, HALF_USER };

export interface HotspotState {
  readonly rips: ExitTableState;
  readonly halves: ExitTableState;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

export interface HotspotResult {
  readonly rips: ExitTableResult;
  readonly halves: ExitTableResult;
}

/** perf-prof's rule: guest RIP ≥ 0xffff000000000000 is the kernel half (arm64 kernels lie there, too). */
export function isKernelAddress(high: number): boolean {
  return high >>> 0 >= 0xffff0000;
}

function addHotspots(state: HotspotState, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    state.view,
    'countHotspots',
    batch,
    selected,
    ({ words }) => {
      words[HS_RIPS / 4] = showTable(state.rips);
      words[HS_HALVES / 4] = showTable(state.halves);
    },
    (row) => addExit(state, batch, row),
  );
}

function addExit({ rips, halves }: HotspotState, batch: ExitBatch, row: number): void {
  halves.key[H_ISA] = batch.isa[row];
  halves.key[H_CODE] = batch.code[row];
  halves.key[H_HALF] = HALF_UNKNOWN;
  if (batch.hasRip[row] === 1) {
    const high = batch.rip[2 * row + 1];
    halves.key[H_HALF] = isKernelAddress(high) ? HALF_KERNEL : HALF_USER;
    rips.key[H_ISA] = batch.isa[row];
    rips.key[H_CODE] = batch.code[row];
    rips.key[H_LOW] = batch.rip[2 * row];
    rips.key[H_HIGH] = high;
    rips.key[H_PID] = batch.pid[row];
    addToTable(rips, batch, row);
  }
  addToTable(halves, batch, row);
}

export const hotspotPass: Pass<{ readonly capacity: number }, HotspotState, HotspotResult> = {
  name: 'hotspots',
  allColumns: false,
  create: ({ capacity }, _scope, arena = null) => ({
    rips: createExitTable(RIP_INTS, capacity, arena),
    halves: createExitTable(HALF_INTS, 4096, arena),
    view: arena === null ? null : createView(arena, HS_BYTES),
  }),
  exits: addHotspots,
  merge: (state, other) => {
    mergeExitTables(state.rips, other.rips);
    mergeExitTables(state.halves, other.halves);
  },
  plain: ({ rips, halves }) => ({ rips: plainTable(rips), halves: plainTable(halves), view: null }),
  result: ({ rips, halves }) => ({ rips: exitTableResult(rips), halves: exitTableResult(halves) }),
};
