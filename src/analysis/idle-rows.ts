/** Which exits of a batch are idle (HLT, WFx …), found once for all analyses that ask. */
import { isIdle } from '../isa/reasons.ts';
import { EXIT_ROWS, type ExitBatch } from './exit-batch.ts';

/** Direct-mapped memory of reasons: isa, code, idle. A recording has a few dozen. */
const RECENT = 256;
const recent = new Int32Array(3 * RECENT).fill(-1);
const flags = new Uint8Array(EXIT_ROWS);

/** 1 for each idle row; the array is reused by the next call. */
export function idleRows(batch: ExitBatch): Uint8Array {
  const { isa, code, length } = batch;
  let row = markKnown(batch, 0);
  while (row < length) {
    const at = placeOf(isa[row], code[row]);
    recent[at] = isa[row];
    recent[at + 1] = code[row] | 0;
    recent[at + 2] = isIdle(isa[row], code[row]) ? 1 : 0;
    row = markKnown(batch, row);
  }
  return flags;
}

/** Marks rows from `from` on up to the first whose reason is not in memory; returns where it stopped. */
function markKnown(batch: ExitBatch, from: number): number {
  const { isa, code, length } = batch;
  let row = from;
  for (; row < length; row++) {
    const at = placeOf(isa[row], code[row]);
    if (recent[at] !== isa[row] || recent[at + 1] !== (code[row] | 0)) break;
    flags[row] = recent[at + 2];
  }
  return row;
}

function placeOf(isa: number, code: number): number {
  return 3 * ((code ^ (isa << 4)) & (RECENT - 1));
}
