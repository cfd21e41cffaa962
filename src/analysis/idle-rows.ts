/** Which exits of a batch are idle (HLT, WFx …), found once for all analyses that ask. */
import { isIdle } from '../isa/reasons.ts';
import { EXIT_ROWS, type ExitBatch } from './exit-batch.ts';

/** Direct-mapped memory of reasons: isa, code, idle. A recording has a few dozen. */
const RECENT = 256;
const recent = new Int32Array(3 * RECENT).fill(-1);
const flags = new Uint8Array(EXIT_ROWS);

/** 1 for each idle row; the array is reused by the next call. */
export function idleRows(batch: ExitBatch): Uint8Array {
  const { isa: isas, code: codes, length } = batch;
  for (let row = 0; row < length; row++) {
    const isa = isas[row];
    const code = codes[row] | 0;
    const at = 3 * ((code ^ (isa << 4)) & (RECENT - 1));
    if (recent[at] !== isa || recent[at + 1] !== code) {
      recent[at] = isa;
      recent[at + 1] = code;
      recent[at + 2] = isIdle(isa, codes[row]) ? 1 : 0;
    }
    flags[row] = recent[at + 2];
  }
  return flags;
}
