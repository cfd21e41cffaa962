/** Plans of tracepoints (plan-layout.ts), from the decoders that their recorded formats give. */
import { type Arena, allocateI32 } from '../../core/arena.ts';
import { EXIT_REASON_EVENTS } from '../../core/events.ts';
import type { RecordDecoder } from '../tracepoint/decoder.ts';
import {
  KIND_ARGUMENT,
  KIND_CORE,
  KIND_LISTED,
  PLAN_ADDRESS,
  PLAN_ADDRESS_MASK,
  PLAN_ADDRESS_MASK_HIGH,
  PLAN_ARG0,
  PLAN_ARG0_SHIFT,
  PLAN_ARG0_SIGNED,
  PLAN_BYTES,
  PLAN_CODE,
  PLAN_CODE_MASK,
  PLAN_EVENT,
  PLAN_ISA,
  PLAN_ISA_MASK,
  PLAN_KIND,
  PLAN_MINIMUM,
  PLAN_VCPU,
  PLAN_VCPU_MASK,
} from './plan-layout.ts';

/** common_type is a u16. */
const TRACEPOINTS = 65536;
/** The common fields. */
const SHORTEST = 8;

/** By tracepoint id; none has a plan yet. */
export function createPlans(arena: Arena): Int32Array {
  return allocateI32(arena, (TRACEPOINTS * PLAN_BYTES) / 4);
}

/** Samples whose decoder cannot be a plan, or of which more than the core columns are wanted, are only listed. */
export function addPlan(plans: Int32Array, id: number, decoder: RecordDecoder, coreOnly: boolean): void {
  const { core } = decoder;
  const at = (id * PLAN_BYTES) >> 2;
  const set = (offset: number, value: number) => {
    plans[at + (offset >> 2)] = value;
  };
  set(PLAN_MINIMUM, Math.max(SHORTEST, decoder.minimum));
  // An exit without `isa` field needs the header's CPU vendor, one without a reason a name (completeExit).
  const isWhole = core !== null && core.isa >= 0 && core.code >= 0;
  if (!coreOnly || core === null || (!isWhole && EXIT_REASON_EVENTS.has(decoder.event))) {
    set(PLAN_KIND, KIND_LISTED);
    return;
  }
  const place = (offset: number, mask: number, word: number) => {
    set(offset, 4 * Math.max(0, word));
    set(mask, word >= 0 ? -1 : 0);
  };
  set(PLAN_KIND, core.arg0 >= 0 ? KIND_ARGUMENT : KIND_CORE);
  set(PLAN_EVENT, decoder.event | (core.fields << 16));
  place(PLAN_VCPU, PLAN_VCPU_MASK, core.vcpu);
  place(PLAN_ISA, PLAN_ISA_MASK, core.isa);
  place(PLAN_CODE, PLAN_CODE_MASK, core.code);
  place(PLAN_ADDRESS, PLAN_ADDRESS_MASK, core.address);
  set(PLAN_ADDRESS_MASK_HIGH, core.addressWide ? -1 : 0);
  set(PLAN_ARG0, 4 * Math.max(0, core.arg0));
  set(PLAN_ARG0_SHIFT, core.arg0Wide ? 0 : 32);
  set(PLAN_ARG0_SIGNED, core.arg0Signed ? 1 : 0);
}
