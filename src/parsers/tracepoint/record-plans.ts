/** Record plans (record-plan-layout.ts), from the decoders that recorded formats give. */
import { type Arena, allocateI32 } from '../../core/arena.ts';
import { F_ADDRESS, F_ARG0, F_CODE, F_ISA } from '../../core/event-columns.ts';
import type { RecordDecoder } from './decoder.ts';
import {
  RECORD_ADDRESS,
  RECORD_ADDRESS_MASK,
  RECORD_ADDRESS_SIGN,
  RECORD_ARG0,
  RECORD_ARG0_MASK,
  RECORD_ARG0_SIGN,
  RECORD_ARG1,
  RECORD_ARG1_MASK,
  RECORD_ARG1_SIGN,
  RECORD_CODE,
  RECORD_CODE_MASK,
  RECORD_ERROR_CODE,
  RECORD_ERROR_CODE_MASK,
  RECORD_EVENT,
  RECORD_INFO1,
  RECORD_INFO1_MASK,
  RECORD_INFO1_SIGN,
  RECORD_INFO2,
  RECORD_INFO2_MASK,
  RECORD_INFO2_SIGN,
  RECORD_INTR_INFO,
  RECORD_INTR_INFO_MASK,
  RECORD_ISA,
  RECORD_ISA_ELSE,
  RECORD_ISA_MASK,
  RECORD_LISTED,
  RECORD_MINIMUM,
  RECORD_PLAN_BYTES,
  RECORD_VCPU,
  RECORD_VCPU_ELSE,
  RECORD_VCPU_MASK,
} from './record-plan-layout.ts';

/** common_type is a u16. */
const TRACEPOINTS = 65536;
/** The common fields. A field that a tracepoint lacks is read from them. */
const SHORTEST = 8;
/** Columns of ParseOptions.coreOnly. */
const CORE_FIELDS = F_ISA | F_CODE | F_ADDRESS | F_ARG0;

/** Place and mask of the columns of 32 bits; place, mask and sign of those of 64. */
const NARROW = {
  vcpu: [RECORD_VCPU, RECORD_VCPU_MASK],
  isa: [RECORD_ISA, RECORD_ISA_MASK],
  code: [RECORD_CODE, RECORD_CODE_MASK],
  intrInfo: [RECORD_INTR_INFO, RECORD_INTR_INFO_MASK],
  errorCode: [RECORD_ERROR_CODE, RECORD_ERROR_CODE_MASK],
} as const;
const WIDE = {
  address: [RECORD_ADDRESS, RECORD_ADDRESS_MASK, RECORD_ADDRESS_SIGN],
  arg0: [RECORD_ARG0, RECORD_ARG0_MASK, RECORD_ARG0_SIGN],
  arg1: [RECORD_ARG1, RECORD_ARG1_MASK, RECORD_ARG1_SIGN],
  info1: [RECORD_INFO1, RECORD_INFO1_MASK, RECORD_INFO1_SIGN],
  info2: [RECORD_INFO2, RECORD_INFO2_MASK, RECORD_INFO2_SIGN],
} as const;

export interface PlanWishes {
  /** ISA of rows whose record does not say it; 0: none. */
  readonly elseIsa: number;
  readonly coreOnly: boolean;
  /** TypeScript adds something to the rows. */
  readonly listed: boolean;
}

/** By tracepoint id; none has a plan yet. */
export function createRecordPlans(arena: Arena): Int32Array {
  return allocateI32(arena, (TRACEPOINTS * RECORD_PLAN_BYTES) / 4);
}

/** Makes the plan of a tracepoint; false if its records need more than copies of fields. */
export function addRecordPlan(
  plans: Int32Array,
  id: number,
  decoder: RecordDecoder,
  { elseIsa, coreOnly, listed }: PlanWishes,
): boolean {
  if (!decoder.littleEndian || decoder.special !== null) return false;
  if (decoder.narrow.some(({ size, signed }) => signed && size < 4)) return false;
  const at = (id * RECORD_PLAN_BYTES) >> 2;
  const set = (offset: number, value: number) => {
    plans[at + (offset >> 2)] = value;
  };
  plans.fill(0, at, at + (RECORD_PLAN_BYTES >> 2));
  for (const { column, offset, size } of decoder.narrow) {
    const [place, mask] = NARROW[column];
    set(place, offset);
    set(mask, maskOf(size));
  }
  for (const { column, offset, size, signed } of decoder.wide) {
    const [place, mask, sign] = WIDE[column];
    set(place, offset);
    set(mask, maskOf(size));
    set(mask + 4, size === 8 ? -1 : 0);
    if (signed && size < 8) set(sign, 1 << (8 * size - 1));
  }
  const hasIsa = (decoder.fields & F_ISA) !== 0;
  if (!hasIsa) set(RECORD_ISA_ELSE, elseIsa);
  if (!decoder.narrow.some(({ column }) => column === 'vcpu')) set(RECORD_VCPU_ELSE, -1);
  const fields = decoder.fields | (elseIsa !== 0 ? F_ISA : 0);
  set(RECORD_EVENT, decoder.event | ((coreOnly ? fields & CORE_FIELDS : fields) << 16));
  set(RECORD_LISTED, listed ? 1 : 0);
  set(RECORD_MINIMUM, Math.max(SHORTEST, decoder.minimum));
  return true;
}

/** Low word of the bits of a field. */
function maskOf(size: number): number {
  return size < 4 ? (1 << (8 * size)) - 1 : -1;
}
