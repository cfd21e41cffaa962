/** How a report names an exit reason: ISA, number and name. */
import { ISA_NAMED, isaName } from '../core/isa-codes.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { publicCode, reasonName } from '../isa/reasons.ts';

export interface ReasonIdentity {
  isa: string;
  /** null where there is no number: arm64 exits that are no trap, reasons known by a printed name only. */
  code: number | null;
  name: string;
}

/** Name for people; the ISA stands before it where a report has exits of several, and before a number without a name. */
export function shownReason({ isa, name }: Pick<ReasonIdentity, 'isa' | 'name'>, showIsa: boolean): string {
  return showIsa || /^0x[0-9a-f]+\b/.test(name) ? `${isa} ${name}` : name;
}

/** ISA as reports name it; a reason that no table knows belongs to none. */
export function printedIsa(isa: number): string {
  return isa === ISA_NAMED ? 'unknown' : isaName(isa);
}

export function reasonIdentity(context: TraceContext, isa: number, code: number): ReasonIdentity {
  if (isa === ISA_NAMED)
    return { isa: 'unknown', code: null, name: context.strings.values[code] ?? '(unknown)' };
  return { isa: isaName(isa), code: publicCode(isa, code), name: reasonName(isa, code) };
}
