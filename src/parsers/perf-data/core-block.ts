/**
 * The hot path: a block of plain samples, whose places are known in order of time, decoded into the core columns. A
 * few columns per loop and no branch that depends on the tracepoint: a field that a tracepoint lacks is read from a
 * place that always exists and masked away. Such loops are compiled in a millisecond or two and never thrown away.
 */
import { type EventBatch, NO_CPU } from '../../core/event-batch.ts';
import { ISA_FOREIGN } from '../../core/isa-codes.ts';
import type { RecordDecoder } from '../tracepoint/decoder.ts';
import type { RecordState } from './record-state.ts';

/**
 * Ints of a plan: what to do for a tracepoint. Places are words relative to the raw data, 0 for fields that it lacks;
 * masks are all ones where a field (or its upper half) is to be taken.
 */
const PLAN_INTS = 16;
/** 0: no plan. */
const EVENT = 0;
/** Shortest raw data that has all the fields. */
const MINIMUM = 1;
const FIELDS = 2;
const VCPU = 3;
const VCPU_MASK = 4;
const ISA = 5;
const ISA_MASK = 6;
const CODE = 7;
const CODE_MASK = 8;
const ADDRESS = 9;
const ADDRESS_HIGH_MASK = 10;
const ARG0 = 11;
const ARG0_HIGH_MASK = 12;
/** All ones where the sign of a 32-bit argument fills the upper half. */
const ARG0_SIGN_MASK = 13;
/** 1: has an argument, 0: none. */
const HAS_ARG0 = 14;

/** Plans by tracepoint id; EVENT 0 where samples must be decoded one by one. */
export function createPlans(): Int32Array {
  return new Int32Array(65536 * PLAN_INTS);
}

/** `isaNeeded`: an exit without `isa` field needs the header's CPU vendor, which only the slow way applies. */
export function addPlan(plans: Int32Array, id: number, decoder: RecordDecoder, isaNeeded: boolean): void {
  const plan = decoder.core;
  if (plan === null || (isaNeeded && plan.isa < 0)) return;
  const at = id * PLAN_INTS;
  const place = (index: number, mask: number, word: number) => {
    plans[at + index] = Math.max(0, word);
    plans[at + mask] = word >= 0 ? -1 : 0;
  };
  plans[at + EVENT] = decoder.event;
  plans[at + MINIMUM] = Math.max(8, decoder.minimum);
  plans[at + FIELDS] = plan.fields;
  place(VCPU, VCPU_MASK, plan.vcpu);
  place(ISA, ISA_MASK, plan.isa);
  place(CODE, CODE_MASK, plan.code);
  plans[at + ADDRESS] = Math.max(0, plan.address);
  plans[at + ADDRESS_HIGH_MASK] = plan.addressWide ? -1 : 0;
  plans[at + ARG0] = Math.max(0, plan.arg0);
  plans[at + ARG0_HIGH_MASK] = plan.arg0Wide ? -1 : 0;
  plans[at + HAS_ARG0] = plan.arg0 >= 0 ? 1 : 0;
  plans[at + ARG0_SIGN_MASK] = plan.arg0Signed && !plan.arg0Wide ? -1 : 0;
}

/** Plan (its place in `plans`) of each sample of the block. */
const planScratch = new Int32Array(4096);
/** The samples of the block that have an argument: few of most recordings. */
const argumentScratch = new Int32Array(4096);

/**
 * Decodes samples (word positions in order[from, to), at most 4096) from row batch.length on. Stops at one that has no
 * plan or is damaged; returns how many were taken.
 */
export function decodeCoreBlock(
  state: RecordState,
  batch: EventBatch,
  order: Uint32Array,
  from: number,
  to: number,
): number {
  const end = findPlans(state, order, from, to);
  if (end > from) {
    decodePlaces(state, batch, order, from, end);
    decodeReasons(state, batch, order, from, end);
    decodeAddresses(state, batch, order, from, end);
    decodeArguments(state, batch, order, from, findArguments(state, from, end));
    batch.length += end - from;
  }
  return end - from;
}

/** Returns where the first sample lies that must be decoded by itself. */
function findPlans(state: RecordState, order: Uint32Array, from: number, to: number): number {
  const { plans } = state;
  const { words } = state.window;
  const rawWord = state.layout.variable >> 2;
  let i = from;
  for (; i < to; i++) {
    const word = order[i];
    const raw = word + rawWord;
    const length = words[raw];
    const plan = (words[raw + 1] & 0xffff) * PLAN_INTS;
    const end = word * 4 + (words[word + 1] >>> 16);
    if (plans[plan] === 0 || length < plans[plan + MINIMUM] || raw * 4 + 4 + length > end) break;
    planScratch[i] = plan;
  }
  return i;
}

/** When and where: time, CPU, process and thread. */
function decodePlaces(
  state: RecordState,
  batch: EventBatch,
  order: Uint32Array,
  from: number,
  to: number,
): void {
  const { layout } = state;
  const { words } = state.window;
  const timeWord = layout.time >> 2;
  const tidWord = layout.tid >> 2;
  const cpuWord = layout.cpu >> 2;
  const { time, cpu: cpus, pid, tid } = batch;
  let row = batch.length;
  for (let i = from; i < to; i++) {
    const word = order[i];
    time[2 * row] = words[word + timeWord];
    time[2 * row + 1] = words[word + timeWord + 1];
    const cpu = cpuWord >= 0 ? words[word + cpuWord] : NO_CPU;
    cpus[row] = cpu < NO_CPU ? cpu : NO_CPU;
    pid[row] = words[word + tidWord];
    tid[row] = words[word + tidWord + 1];
    row++;
  }
}

/** What: event, its fields, vCPU, ISA and reason. */
function decodeReasons(
  state: RecordState,
  batch: EventBatch,
  order: Uint32Array,
  from: number,
  to: number,
): void {
  const { plans } = state;
  const { words } = state.window;
  const baseWord = (state.layout.variable >> 2) + 1;
  const { event, fields, vcpu, isa, code } = batch;
  let row = batch.length;
  for (let i = from; i < to; i++) {
    const base = order[i] + baseWord;
    const plan = planScratch[i];
    event[row] = plans[plan + EVENT];
    fields[row] = plans[plan + FIELDS];
    const vcpuMask = plans[plan + VCPU_MASK];
    vcpu[row] = (words[base + plans[plan + VCPU]] & vcpuMask) | ~vcpuMask;
    code[row] = words[base + plans[plan + CODE]] & plans[plan + CODE_MASK];
    const isaMask = plans[plan + ISA_MASK];
    const number = words[base + plans[plan + ISA]] & isaMask;
    // 1 VMX, 2 SVM; 0 where there is no such field. The condition is the same for all events, so that it costs nothing.
    isa[row] = number;
    if ((number - (isaMask & 1)) >>> 0 > 1) isa[row] = ISA_FOREIGN | (number & 0x7f);
    row++;
  }
}

/** `fields` says whether a row's address means anything. */
function decodeAddresses(
  state: RecordState,
  batch: EventBatch,
  order: Uint32Array,
  from: number,
  to: number,
): void {
  const { plans } = state;
  const { words } = state.window;
  const baseWord = (state.layout.variable >> 2) + 1;
  const { address } = batch;
  let row = batch.length;
  for (let i = from; i < to; i++) {
    const plan = planScratch[i];
    const addressAt = order[i] + baseWord + plans[plan + ADDRESS];
    address[2 * row] = words[addressAt];
    address[2 * row + 1] = words[addressAt + 1] & plans[plan + ADDRESS_HIGH_MASK];
    row++;
  }
}

/** Lists the samples that have an argument; returns how many there are. */
function findArguments({ plans }: RecordState, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) {
    argumentScratch[count] = i;
    count += plans[planScratch[i] + HAS_ARG0];
  }
  return count;
}

function decodeArguments(
  state: RecordState,
  batch: EventBatch,
  order: Uint32Array,
  from: number,
  count: number,
): void {
  const { plans } = state;
  const { words } = state.window;
  const baseWord = (state.layout.variable >> 2) + 1;
  const { arg0 } = batch;
  const firstRow = batch.length - from;
  for (let k = 0; k < count; k++) {
    const i = argumentScratch[k];
    const plan = planScratch[i];
    const at = order[i] + baseWord + plans[plan + ARG0];
    const row = firstRow + i;
    const low = words[at];
    arg0[2 * row] = low;
    arg0[2 * row + 1] =
      (words[at + 1] & plans[plan + ARG0_HIGH_MASK]) | ((low >> 31) & plans[plan + ARG0_SIGN_MASK]);
  }
}
