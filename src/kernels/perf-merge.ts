/**
 * perf.data: merges the ready runs of samples in the order of time, straight to rows. Each record is touched once, and
 * nothing but its tracepoint's plan decides what is read: a field that it lacks is read from a place that always exists
 * and masked away.
 */
import {
  EVENT_ADDRESS,
  EVENT_ARG0,
  EVENT_CODE,
  EVENT_CPU,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_ISA,
  EVENT_PID,
  EVENT_TID,
  EVENT_TIME,
  EVENT_VCPU,
  NO_CPU,
} from '../core/event-columns.ts';
import { ISA_FOREIGN } from '../core/isa-numbers.ts';
import {
  KIND_CORE,
  KIND_LISTED,
  PLAN_ADDRESS,
  PLAN_ADDRESS_MASK,
  PLAN_ARG0,
  PLAN_ARG0_SHIFT,
  PLAN_ARG0_SIGNED,
  PLAN_BYTES,
  PLAN_CODE,
  PLAN_CODE_MASK,
  PLAN_EVENT,
  PLAN_FIELDS,
  PLAN_ISA,
  PLAN_ISA_MASK,
  PLAN_KIND,
  PLAN_MINIMUM,
  PLAN_VCPU,
  PLAN_VCPU_MASK,
} from '../parsers/perf-data/plan-layout.ts';
import { RECORD_SAMPLE } from '../parsers/perf-data/record-types.ts';
import { ID_MAIN } from '../parsers/perf-data/sample-ids.ts';
import {
  W_BASE,
  W_BYTES,
  W_CALLCHAIN,
  W_CPU,
  W_HEAP,
  W_HEAP_SIZE,
  W_ID,
  W_ID_KINDS,
  W_LIMIT,
  W_LISTED,
  W_LISTED_COUNT,
  W_PLANS,
  W_READ,
  W_RUN_AT,
  W_RUN_END,
  W_RUN_KEY,
  W_TID,
  W_TIME,
  W_VARIABLE,
} from '../parsers/perf-data/window-layout.ts';
import { isBefore, siftDown } from './heap.ts';
import { findRaw, idKind } from './perf-sample.ts';

/** Keys of runs are 64-bit floats, one after the other. */
const KEY_SHIFT: usize = 3;

/** Raw data: its size, and the common fields that all tracepoints have. */
const SHORTEST: usize = 12;

/** Keys up to here are the same as integers and as doubles, which the tables have; damaged times may be beyond. */
const EXACT: f64 = 9007199254740991;

/**
 * Fills rows [from, to) of the batch and returns the row at which it stopped: at the end of the heap's first run, beyond
 * the limit, or at a record of that run which is no plain sample with a plan. record-window.ts says what the heap is.
 */
export function mergeSamples(window: usize, batch: usize, from: i32, to: i32): i32 {
  const bytes = load<usize>(window, W_BYTES);
  const base = load<i64>(window, W_BASE);
  const heap = load<usize>(window, W_HEAP);
  const heapSize = load<u32>(window, W_HEAP_SIZE);
  const runAt = load<usize>(window, W_RUN_AT);
  const runEnd = load<usize>(window, W_RUN_END);
  const runKey = load<usize>(window, W_RUN_KEY);
  const limit = load<f64>(window, W_LIMIT);
  const timeAt = load<usize>(window, W_TIME);
  const tidAt = load<usize>(window, W_TID);
  const cpuAt = load<usize>(window, W_CPU);
  // Where no CPU was recorded, the record's type is read and made NO_CPU.
  const noCpu: u32 = cpuAt === 0 ? NO_CPU : 0;
  const variable = load<usize>(window, W_VARIABLE);
  const smallest = variable + SHORTEST;
  const isFixed = load<u32>(window, W_READ) === 0 && load<u32>(window, W_CALLCHAIN) === 0;
  const idAt = load<usize>(window, W_ID);
  const idKinds = load<usize>(window, W_ID_KINDS);
  const plans = load<usize>(window, W_PLANS);
  const times = load<usize>(batch, EVENT_TIME);
  const cpus = load<usize>(batch, EVENT_CPU);
  const tids = load<usize>(batch, EVENT_TID);
  const pids = load<usize>(batch, EVENT_PID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  const events = load<usize>(batch, EVENT_EVENT);
  const isas = load<usize>(batch, EVENT_ISA);
  const codes = load<usize>(batch, EVENT_CODE);
  const addresses = load<usize>(batch, EVENT_ADDRESS);
  const fields = load<usize>(batch, EVENT_FIELDS);
  let row: usize = from;
  const lastRow: usize = to;
  while (row < lastRow) {
    const run = load<u32>(heap);
    const runFrom = load<f64>(runKey + ((<usize>run) << 3));
    if (abs(runFrom) > EXACT) break;
    // Up to the key of the next best run, which is one of the heap's second level; of equal keys the earlier run's first.
    let last = <i64>min(limit, EXACT);
    if (heapSize > 1) {
      let next = load<u32>(heap, 4);
      if (heapSize > 2) {
        const other = load<u32>(heap, 8);
        if (isBefore<f64>(runKey, KEY_SHIFT, other, next)) next = other;
      }
      const nextKey = load<f64>(runKey + ((<usize>next) << 3));
      if (nextKey <= limit) last = <i64>min(nextKey, EXACT) - i64(run > next);
    }
    const end = bytes + load<usize>(runEnd + ((<usize>run) << 2));
    let at = bytes + load<usize>(runAt + ((<usize>run) << 2));
    const first = at;
    let key = <i64>runFrom;
    let isPlain = true;
    while (at < end) {
      const header = load<u64>(at);
      const size = <usize>(header >> 48);
      // Bits are tested with as few branches as possible, but not computed: that takes longer.
      if (<u32>header !== RECORD_SAMPLE) {
        isPlain = false;
        break;
      }
      if (size < smallest) {
        isPlain = false;
        break;
      }
      if (idKinds !== 0 && idKind(idKinds, at + idAt) !== ID_MAIN) {
        isPlain = false;
        break;
      }
      const time = load<i64>(at + timeAt);
      key = time - base;
      if (key > last) break;
      if (row === lastRow) break;
      const next = at + size;
      let raw = at + variable;
      if (!isFixed) {
        raw = findRaw(window, at, next);
        if (raw === 0) {
          isPlain = false;
          break;
        }
      }
      const data = raw + 4;
      const length = load<usize>(raw);
      const plan = plans + <usize>load<u16>(data) * PLAN_BYTES;
      if (length > next - data) {
        isPlain = false;
        break;
      }
      // Without a plan the minimum is 0: nothing is as long as −1.
      if (load<usize>(plan, PLAN_MINIMUM) - 1 >= length) {
        isPlain = false;
        break;
      }
      const row2 = row << 1;
      const row4 = row << 2;
      const row8 = row << 3;
      store<i64>(times + row8, time);
      const thread = load<u64>(at + tidAt);
      store<u32>(pids + row4, <u32>thread);
      store<u32>(tids + row4, <u32>(thread >> 32));
      const cpu = load<u32>(at + cpuAt) | noCpu;
      store<u16>(cpus + row2, <u16>min<u32>(cpu, NO_CPU));
      const kind = load<u32>(plan, PLAN_KIND);
      if (kind !== KIND_CORE) {
        if (kind === KIND_LISTED) {
          list(window, <u32>row, <u32>(data - bytes));
          row++;
          at = next;
          continue;
        }
        store<u64>(load<usize>(batch, EVENT_ARG0) + row8, argument(plan, data));
      }
      store<u16>(events + row2, load<u16>(plan, PLAN_EVENT));
      store<u16>(fields + row2, load<u16>(plan, PLAN_FIELDS));
      const vcpuMask = load<u32>(plan, PLAN_VCPU_MASK);
      store<u32>(vcpus + row4, (load<u32>(data + load<usize>(plan, PLAN_VCPU)) & vcpuMask) | ~vcpuMask);
      store<u32>(
        codes + row4,
        load<u32>(data + load<usize>(plan, PLAN_CODE)) & load<u32>(plan, PLAN_CODE_MASK),
      );
      store<u64>(
        addresses + row8,
        load<u64>(data + load<usize>(plan, PLAN_ADDRESS)) & load<u64>(plan, PLAN_ADDRESS_MASK),
      );
      // 1 VMX, 2 SVM; 0 where there is no such field.
      const isaMask = load<u32>(plan, PLAN_ISA_MASK);
      const isa = load<u32>(data + load<usize>(plan, PLAN_ISA)) & isaMask;
      store<u8>(isas + row, <u8>(isa - (isaMask & 1) > 1 ? ISA_FOREIGN | (isa & 0x7f) : isa));
      row++;
      at = next;
    }
    store<u32>(runAt + ((<usize>run) << 2), <u32>(at - bytes));
    store<f64>(runKey + ((<usize>run) << 3), <f64>key);
    if (at >= end || !isPlain || at === first || <f64>key > limit) break;
    if (heapSize > 1) siftDown<f64>(heap, heapSize, runKey, KEY_SHIFT);
  }
  return <i32>row;
}

/** Leaves the row's other columns to TypeScript. */
function list(window: usize, row: u32, position: u32): void {
  const count = load<u32>(window, W_LISTED_COUNT);
  const entry = load<usize>(window, W_LISTED) + ((<usize>count) << 3);
  store<u32>(entry, row);
  store<u32>(entry, position, 4);
  store<u32>(window, count + 1, W_LISTED_COUNT);
}

function argument(plan: usize, data: usize): u64 {
  const shift = <u64>load<u32>(plan, PLAN_ARG0_SHIFT);
  const left = load<u64>(data + load<usize>(plan, PLAN_ARG0)) << shift;
  return load<u32>(plan, PLAN_ARG0_SIGNED) ? <u64>(<i64>left >> <i64>shift) : left >> shift;
}
