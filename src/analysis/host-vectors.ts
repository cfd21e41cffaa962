/**
 * Pass `host-vectors`: exits for a host interrupt by its vector, which VMX records in intr_info (bit 31: valid,
 * bits 0–7: vector; Intel SDM vol. 3, "VM-exit interruption information"). SVM does not record it.
 */
import { ISA_VMX } from '../core/isa-codes.ts';
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

const EXTERNAL_INTERRUPT = 1;
const VALID = 0x80000000;

function addVectors(table: ExitTableState, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    if (batch.isa[row] !== ISA_VMX || batch.code[row] !== EXTERNAL_INTERRUPT) continue;
    const info = batch.intrInfo[row];
    if (info < VALID) continue;
    table.key[0] = info & 0xff;
    addToTable(table, batch, row);
  }
}

export const hostVectorPass: Pass<null, ExitTableState, ExitTableResult> = {
  name: 'host-vectors',
  allColumns: true,
  create: () => createExitTable(1, 256),
  exits: addVectors,
  merge: mergeExitTables,
  result: exitTableResult,
};
