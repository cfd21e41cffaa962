/**
 * Pass `hotspots`: where the guest was when it left, by exit reason: the most frequent RIPs (bounded, with stated
 * error) and, exactly, how much came from the user and the kernel half of the address space.
 */
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

export const H_ISA = 0;
export const H_CODE = 1;
/** `rips`: address words and process (VM: each has its own kernel), −1 unknown; `halves`: HALF_*. */
export const H_LOW = 2;
export const H_HIGH = 3;
export const H_PID = 4;
export const H_HALF = 2;

export const HALF_UNKNOWN = 0;
export const HALF_USER = 1;
export const HALF_KERNEL = 2;

export interface HotspotState {
  readonly rips: ExitTableState;
  readonly halves: ExitTableState;
}

export interface HotspotResult {
  readonly rips: ExitTableResult;
  readonly halves: ExitTableResult;
}

/** perf-prof's rule: guest RIP ≥ 0xffff000000000000 is the kernel half (arm64 kernels lie there, too). */
export function isKernelAddress(high: number): boolean {
  return high >>> 0 >= 0xffff0000;
}

function addHotspots({ rips, halves }: HotspotState, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
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
}

export const hotspotPass: Pass<{ readonly capacity: number }, HotspotState, HotspotResult> = {
  name: 'hotspots',
  allColumns: false,
  create: ({ capacity }) => ({ rips: createExitTable(5, capacity), halves: createExitTable(3, 4096) }),
  exits: addHotspots,
  merge: (state, other) => {
    mergeExitTables(state.rips, other.rips);
    mergeExitTables(state.halves, other.halves);
  },
  result: ({ rips, halves }) => ({ rips: exitTableResult(rips), halves: exitTableResult(halves) }),
};
