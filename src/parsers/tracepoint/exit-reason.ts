/** What the recorded fields of an exit leave open. */
import { note } from '../../core/diagnostics.ts';
import { type EventBatch, F_CODE, F_ISA } from '../../core/event-batch.ts';
import { ISA_NAMED } from '../../core/isa-codes.ts';
import { internString } from '../../core/string-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';

/** Name of exits whose records have no known field for it: kernels with changes of their own, records cut off. */
const NO_REASON = '(no reason recorded)';

/** To be called for each row of EXIT_REASON_EVENTS once its record is decoded. */
export function completeExit(context: TraceContext, batch: EventBatch, row: number): void {
  if ((batch.fields[row] & F_CODE) === 0) {
    // Without a number of its own it would count as whatever reason has number 0.
    batch.isa[row] = ISA_NAMED;
    batch.code[row] = internString(context.strings, NO_REASON);
    batch.fields[row] |= F_CODE | F_ISA;
    note(
      context.diagnostics,
      'exits-without-reason',
      'suspect',
      'exits whose records have no field that is known to hold the reason: they are kept apart from all others',
    );
  } else if ((batch.fields[row] & F_ISA) === 0 && context.defaultIsa !== 0) {
    // 2.6.32, and ISAs other than x86, do not record theirs; the host's machine tells.
    batch.isa[row] = context.defaultIsa;
    batch.fields[row] |= F_ISA;
  }
}
