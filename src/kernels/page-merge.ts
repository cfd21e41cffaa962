/**
 * trace.dat: takes events from the CPUs' streams in the order of time, straight to rows, until a stream needs more than
 * a plan or a sound page. Plans decide what is read of a record (record-columns.ts), so no branch depends on its kind.
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
  UNKNOWN,
} from '../core/event-columns.ts';
import {
  M_HEAP,
  M_HEAP_SIZE,
  M_LISTED,
  M_LISTED_CAPACITY,
  M_LISTED_COUNT,
  M_MULT,
  M_OFFSET,
  M_PLANS,
  M_RECORDS,
  M_STEP,
  M_STREAMS,
  NO_LOSS,
  S_AT,
  S_BYTES,
  S_CPU,
  S_END,
  S_LENGTH,
  S_LOSSES,
  S_NEXT,
  S_RAW,
  S_RECORDS,
  S_TIME,
  STEP_ADVANCE,
  STEP_AGAIN,
  STEP_WRITE,
  STREAM_SHIFT,
} from '../parsers/trace-dat/stream-layout.ts';
import {
  RECORD_ADDRESS,
  RECORD_ADDRESS_MASK,
  RECORD_ADDRESS_SIGN,
  RECORD_ARG0,
  RECORD_ARG0_MASK,
  RECORD_ARG0_SIGN,
  RECORD_CODE,
  RECORD_CODE_MASK,
  RECORD_EVENT,
  RECORD_FIELDS,
  RECORD_LISTED,
  RECORD_MINIMUM,
  RECORD_PLAN_BYTES,
  RECORD_VCPU,
  RECORD_VCPU_ELSE,
  RECORD_VCPU_MASK,
} from '../parsers/tracepoint/record-plan-layout.ts';
import { isBefore, siftDown } from './heap.ts';
import { stepStream } from './page-walk.ts';
import { fillColumns, isaField, narrowField, wideField } from './record-columns.ts';

/** common_pid of every kernel so far; plans are made only of formats that have it there. */
const PID_OFFSET: usize = 4;
/** Types of events whose length in words stands in their head: 1 to this. */
const LONGEST: u32 = 28;

/** Not a STEP_*: another stream's turn. */
const SWITCH: u32 = 0xffff;

/** Fills rows [from, to) of the batch (MERGED_ROWS at most if all columns are wanted) and returns the row at which it stopped; M_STEP says what the top stream needs. */
export function mergePages(merge: usize, batch: usize, from: i32, to: i32): i32 {
  const streams = load<usize>(merge, M_STREAMS);
  const heap = load<usize>(merge, M_HEAP);
  const heapSize = load<u32>(merge, M_HEAP_SIZE);
  const plans = load<usize>(merge, M_PLANS);
  const records = load<usize>(merge, M_RECORDS);
  const offset = load<u64>(merge, M_OFFSET);
  const isOffset = load<u32>(merge, M_MULT) === 0;
  const times = load<usize>(batch, EVENT_TIME);
  const cpus = load<usize>(batch, EVENT_CPU);
  const tids = load<usize>(batch, EVENT_TID);
  const pids = load<usize>(batch, EVENT_PID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  const events = load<usize>(batch, EVENT_EVENT);
  const isas = load<usize>(batch, EVENT_ISA);
  const codes = load<usize>(batch, EVENT_CODE);
  const addresses = load<usize>(batch, EVENT_ADDRESS);
  const arguments0 = load<usize>(batch, EVENT_ARG0);
  const fields = load<usize>(batch, EVENT_FIELDS);
  let row: usize = from;
  const lastRow: usize = to;
  let step: u32 = STEP_WRITE;
  while (true) {
    const index = load<u32>(heap);
    const stream = streams + ((<usize>index) << STREAM_SHIFT);
    const bytes = load<usize>(stream, S_BYTES);
    step = STEP_WRITE;
    if (bytes === 0 || load<f64>(stream, S_LOSSES) !== NO_LOSS) break;
    // The stream goes on up to the time of the one after it; of equal times the lower stream comes first.
    let last = u64.MAX_VALUE;
    if (heapSize > 1) {
      let follower = load<u32>(heap, 4);
      if (heapSize > 2) {
        const other = load<u32>(heap, 8);
        if (isBefore<u64>(streams, STREAM_SHIFT, other, follower)) follower = other;
      }
      last = timeOf(streams, follower) - u64(index > follower);
    }
    const cpu = load<u16>(stream, S_CPU);
    // Where times are multiplied, no event is a plain one: stepStream() converts its time.
    let end = isOffset ? bytes + load<usize>(stream, S_END) : 0;
    let at = bytes + load<usize>(stream, S_AT);
    let length = load<usize>(stream, S_LENGTH);
    let next = bytes + load<usize>(stream, S_NEXT);
    let time = load<u64>(stream, S_TIME);
    let taken: i32 = 0;
    while (row < lastRow) {
      const plan = plans + <usize>load<u16>(at) * RECORD_PLAN_BYTES;
      // Without a plan the minimum is 0: nothing is as long as −1.
      if (load<usize>(plan, RECORD_MINIMUM) - 1 >= length) break;
      const row2 = row << 1;
      const row4 = row << 2;
      const row8 = row << 3;
      store<u64>(times + row8, time);
      store<u16>(cpus + row2, cpu);
      store<u32>(tids + row4, load<u32>(at, PID_OFFSET));
      store<i32>(pids + row4, UNKNOWN);
      if (records === 0) {
        store<u16>(events + row2, load<u16>(plan, RECORD_EVENT));
        store<u16>(fields + row2, load<u16>(plan, RECORD_FIELDS));
        store<u32>(
          vcpus + row4,
          narrowField(plan, at, RECORD_VCPU, RECORD_VCPU_MASK) | load<u32>(plan, RECORD_VCPU_ELSE),
        );
        store<u8>(isas + row, <u8>isaField(plan, at));
        store<u32>(codes + row4, narrowField(plan, at, RECORD_CODE, RECORD_CODE_MASK));
        store<u64>(
          addresses + row8,
          wideField(plan, at, RECORD_ADDRESS, RECORD_ADDRESS_MASK, RECORD_ADDRESS_SIGN),
        );
        store<u64>(arguments0 + row8, wideField(plan, at, RECORD_ARG0, RECORD_ARG0_MASK, RECORD_ARG0_SIGN));
      } else store<usize>(records + ((row - <usize>from) << 2), at);
      let isFull = false;
      if (load<u32>(plan, RECORD_LISTED) !== 0)
        isFull = listRow(merge, <u32>row, index, <u32>(at - bytes), <u32>length);
      row++;
      // The next event, if it is a plain one with its length in its head and lies within the page. What is read here
      // may lie behind the page: then `after` does as well.
      const head = load<u32>(next);
      const words = head & 31;
      const after = next + 4 + ((<usize>words) << 2);
      if (words - 1 < LONGEST && after <= end) {
        time += head >> 5;
        at = next + 4;
        length = (<usize>words) << 2;
        next = after;
        taken++;
      } else {
        store<usize>(stream, next - bytes, S_NEXT);
        store<u64>(stream, time, S_TIME);
        if (isOffset) store<u64>(stream, time - offset, S_RAW);
        if (stepStream(merge, stream) === 0) {
          step = STEP_ADVANCE;
          break;
        }
        if (isOffset) end = bytes + load<usize>(stream, S_END);
        at = bytes + load<usize>(stream, S_AT);
        length = load<usize>(stream, S_LENGTH);
        next = bytes + load<usize>(stream, S_NEXT);
        time = load<u64>(stream, S_TIME);
      }
      if (isFull) {
        step = STEP_AGAIN;
        break;
      }
      if (time > last) {
        step = SWITCH;
        break;
      }
    }
    store<usize>(stream, at - bytes, S_AT);
    store<usize>(stream, length, S_LENGTH);
    store<usize>(stream, next - bytes, S_NEXT);
    store<u64>(stream, time, S_TIME);
    if (isOffset) store<u64>(stream, time - offset, S_RAW);
    store<f64>(stream, load<f64>(stream, S_RECORDS) + <f64>taken, S_RECORDS);
    if (step === STEP_AGAIN || step === SWITCH) siftDown<u64>(heap, heapSize, streams, STREAM_SHIFT);
    if (step !== SWITCH) break;
  }
  store<u32>(merge, step, M_STEP);
  if (records !== 0) fillRows(plans, records, batch, from, row);
  return <i32>row;
}

/** All columns of rows [from, to): in a loop of its own, since a call would take the merge's registers away. */
function fillRows(plans: usize, records: usize, batch: usize, from: usize, to: usize): void {
  for (let row = from; row < to; row++) {
    const data = load<usize>(records + ((row - from) << 2));
    fillColumns(plans + <usize>load<u16>(data) * RECORD_PLAN_BYTES, data, batch, row);
  }
}

/** Leaves something of the row to TypeScript; returns whether the list is full. */
function listRow(merge: usize, row: u32, stream: u32, at: u32, length: u32): bool {
  const count = load<u32>(merge, M_LISTED_COUNT);
  const entry = load<usize>(merge, M_LISTED) + ((<usize>count) << 4);
  store<u32>(entry, row);
  store<u32>(entry, stream, 4);
  store<u32>(entry, at, 8);
  store<u32>(entry, length, 12);
  store<u32>(merge, count + 1, M_LISTED_COUNT);
  return count + 1 === load<u32>(merge, M_LISTED_CAPACITY);
}

function timeOf(streams: usize, stream: u32): u64 {
  return load<u64>(streams + ((<usize>stream) << STREAM_SHIFT), S_TIME);
}
