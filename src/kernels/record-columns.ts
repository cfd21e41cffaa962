/** Fields of a tracepoint's record → columns, as its plan says: no branch on the kind of event, which would be mispredicted. */
import {
  EVENT_ADDRESS,
  EVENT_ARG0,
  EVENT_ARG1,
  EVENT_CODE,
  EVENT_ERROR_CODE,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_INFO1,
  EVENT_INFO2,
  EVENT_INTR_INFO,
  EVENT_ISA,
  EVENT_VCPU,
} from '../core/event-columns.ts';
import { ISA_FOREIGN } from '../core/isa-numbers.ts';
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
  RECORD_FIELDS,
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
  RECORD_VCPU,
  RECORD_VCPU_ELSE,
  RECORD_VCPU_MASK,
} from '../parsers/tracepoint/record-plan-layout.ts';

/** Value of a column of 64 bits. */
export function wideField(plan: usize, data: usize, place: usize, mask: usize, sign: usize): u64 {
  const bit = load<u64>(plan + sign);
  return ((load<u64>(data + load<usize>(plan + place)) & load<u64>(plan + mask)) ^ bit) - bit;
}

/** Value of a column of 32 bits. */
export function narrowField(plan: usize, data: usize, place: usize, mask: usize): u32 {
  return load<u32>(data + load<usize>(plan + place)) & load<u32>(plan + mask);
}

/** Value of the `isa` column. 1 and 2 are x86's own numbers, all others foreign; a plan's own ISA stays as it is. */
export function isaField(plan: usize, data: usize): u32 {
  const mask = load<u32>(plan, RECORD_ISA_MASK);
  const isa = (load<u32>(data + load<usize>(plan, RECORD_ISA)) & mask) | load<u32>(plan, RECORD_ISA_ELSE);
  return ((isa - 1) & (0 - (mask & 1))) > 1 ? ISA_FOREIGN | (isa & 0x7f) : isa;
}

/** Fills the row but for time, CPU, thread and process. The record at `data` is as long as its plan's minimum. */
export function fillColumns(plan: usize, data: usize, batch: usize, row: usize): void {
  const row2 = row << 1;
  const row4 = row << 2;
  const row8 = row << 3;
  store<u16>(load<usize>(batch, EVENT_EVENT) + row2, load<u16>(plan, RECORD_EVENT));
  store<u16>(load<usize>(batch, EVENT_FIELDS) + row2, load<u16>(plan, RECORD_FIELDS));
  store<u32>(
    load<usize>(batch, EVENT_VCPU) + row4,
    narrowField(plan, data, RECORD_VCPU, RECORD_VCPU_MASK) | load<u32>(plan, RECORD_VCPU_ELSE),
  );
  store<u8>(load<usize>(batch, EVENT_ISA) + row, <u8>isaField(plan, data));
  store<u32>(load<usize>(batch, EVENT_CODE) + row4, narrowField(plan, data, RECORD_CODE, RECORD_CODE_MASK));
  store<u32>(
    load<usize>(batch, EVENT_INTR_INFO) + row4,
    narrowField(plan, data, RECORD_INTR_INFO, RECORD_INTR_INFO_MASK),
  );
  store<u32>(
    load<usize>(batch, EVENT_ERROR_CODE) + row4,
    narrowField(plan, data, RECORD_ERROR_CODE, RECORD_ERROR_CODE_MASK),
  );
  store<u64>(
    load<usize>(batch, EVENT_ADDRESS) + row8,
    wideField(plan, data, RECORD_ADDRESS, RECORD_ADDRESS_MASK, RECORD_ADDRESS_SIGN),
  );
  store<u64>(
    load<usize>(batch, EVENT_INFO1) + row8,
    wideField(plan, data, RECORD_INFO1, RECORD_INFO1_MASK, RECORD_INFO1_SIGN),
  );
  store<u64>(
    load<usize>(batch, EVENT_INFO2) + row8,
    wideField(plan, data, RECORD_INFO2, RECORD_INFO2_MASK, RECORD_INFO2_SIGN),
  );
  store<u64>(
    load<usize>(batch, EVENT_ARG0) + row8,
    wideField(plan, data, RECORD_ARG0, RECORD_ARG0_MASK, RECORD_ARG0_SIGN),
  );
  store<u64>(
    load<usize>(batch, EVENT_ARG1) + row8,
    wideField(plan, data, RECORD_ARG1, RECORD_ARG1_MASK, RECORD_ARG1_SIGN),
  );
}
