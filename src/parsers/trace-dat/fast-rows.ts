/**
 * The hot loop: events of little-endian files, taken from the streams in order of time until one of them needs more
 * than a plan. A plan is what to do for a kind of event, as a few integers: where a column's field lies in the record,
 * and what makes a column that the event has not come out as "not recorded". So there is no branch on the kind of
 * event, which would be mispredicted where kinds alternate (measured: 20 of 80 ns per event).
 *
 * The loop calls nothing: after a call V8 loads the places of all columns anew. And its constants are this file's own:
 * those of other modules are loaded and checked at every use (measured: 10 of 40 ns).
 */
import { type EventBatch, F_ADDRESS, F_ARG0, F_CODE, F_ISA, NO_CPU } from '../../core/event-batch.ts';
import { ISA_FOREIGN } from '../../core/isa-codes.ts';
import { TWO_32 } from '../../core/words.ts';
import type { RecordDecoder } from '../tracepoint/decoder.ts';
import { AT, END, LENGTH, NEXT, NO_LOSS, STREAM_WORDS } from './cpu-streams.ts';
import { type EventRows, EXIT, PLAIN } from './event-rows.ts';
import type { StreamMerge } from './merge.ts';

/** Ints of a plan. */
const PLAN_INTS = 16;
/** Bytes that the record must have, and SPECIAL where the row needs more than a plan can do. */
const MINIMUM = 0;
/** Event code; from bit 16 on its fields (F_* bits). */
const EVENT = 1;
/**
 * The columns, as one int each: bits 0–14 are the offset of the field's word (4 bytes) in the record, then come the
 * shifts to the left and to the right that cut a narrow field out of it (5 bits each), and flags. A column that the
 * event has not reads the record's first word, and IS_THERE makes nothing of it.
 */
const VCPU = 2;
const CODE = 3;
/** Bits 16–22: what the column is where the event does not say it. */
const ISA = 4;
const ADDRESS = 5;
const ARG0 = 6;
const ARG1 = 7;
const INFO1 = 8;
const INFO2 = 9;
const INTR_INFO = 10;
const ERROR_CODE = 11;

const OFFSET_MASK = 0x7fff;
const LEFT_SHIFT = 15;
const RIGHT_SHIFT = 20;
const ELSE_SHIFT = 16;
const ELSE_MASK = 0x7f;
/** Bit 29: the high word is that of the sign; bit 30: it stands behind the low one; bit 31: the event has the field. */
const SIGNED_LEFT = 2;
const WIDE_SHIFT = 30;
const IS_THERE = 31;

const SPECIAL = 1 << 30;
/** common_pid of every kernel so far, and the bytes of the common fields. */
const PID_OFFSET = 4;
const COMMON_BYTES = 8;

const COLUMNS = {
  vcpu: VCPU,
  code: CODE,
  isa: ISA,
  address: ADDRESS,
  arg0: ARG0,
  arg1: ARG1,
  info1: INFO1,
  info2: INFO2,
  intrInfo: INTR_INFO,
  errorCode: ERROR_CODE,
} as const;

/** Columns of ParseOptions.coreOnly. */
const CORE_FIELDS = F_ISA | F_CODE | F_ADDRESS | F_ARG0;

const WORDS = STREAM_WORDS;
const RECORD = AT;
const RECORD_LENGTH = LENGTH;
const REST = NEXT;
const PAGE_END = END;
const WITHOUT_LOSS = NO_LOSS;
const FOREIGN = ISA_FOREIGN;
/**
 * Unsigned words are compared as signed ones with this bit turned over: numbers beyond 2^31, first met in the middle of
 * a file, would make V8 throw the compiled loop away. For the same reason nothing rare is left to a branch of its own.
 */
const SIGN = 1 << 31;

/** What the top stream needs next. */
export const WRITE = 0;
/** Its event is in the batch, as far as a plan can do that. */
export const FINISH = 1;
/** Its event is in the batch. */
export const ADVANCE = 2;
type Step = typeof WRITE | typeof FINISH | typeof ADVANCE;
/** Another stream's turn. */
const SWITCH = 3;

export interface EventPlans {
  /** By id: index of its plan, 0 where records must be decoded the long way. */
  readonly at: Int32Array;
  /** Ids whose plan was made, or found impossible. */
  readonly known: Uint8Array;
  table: Int32Array;
  used: number;
}

export function createEventPlans(): EventPlans {
  // The plan at 0 stands for "none": no record is long enough for it.
  const table = new Int32Array(64 * PLAN_INTS);
  table[MINIMUM] = 0x7fffffff;
  return { at: new Int32Array(65536), known: new Uint8Array(65536), table, used: PLAN_INTS };
}

/** Makes the plan of an id once its decoder is there. */
export function learnPlan(plans: EventPlans, rows: EventRows, id: number): void {
  if (plans.known[id] !== 0 || rows.known[id] === 0) return;
  plans.known[id] = 1;
  const decoder = rows.decoders[id];
  if (!decoder) return;
  if (plans.used === plans.table.length) {
    const table = new Int32Array(2 * plans.table.length);
    table.set(plans.table);
    plans.table = table;
  }
  if (!fillPlan(plans.table, plans.used, decoder, rows.kinds[id], rows.context.defaultIsa)) return;
  plans.at[id] = plans.used;
  plans.used += PLAN_INTS;
}

/** False if a field cannot be read as an aligned word or a part of one. */
function fillPlan(
  table: Int32Array,
  plan: number,
  decoder: RecordDecoder,
  kind: number,
  defaultIsa: number,
): boolean {
  if (!decoder.littleEndian || decoder.special !== null || decoder.pidOffset !== PID_OFFSET) return false;
  table.fill(0, plan, plan + PLAN_INTS);
  for (const op of [...decoder.wide, ...decoder.narrow]) {
    const { column, size } = op;
    const place = placeOf(op);
    if (place === 0 || (size < 4 && (column === 'vcpu' || column === 'isa'))) return false;
    table[plan + COLUMNS[column]] = place;
  }
  let { fields } = decoder;
  let special = kind !== PLAIN;
  // Once known, the host's ISA does not change; while it is not, every exit has to look for it.
  if (kind === EXIT && ((fields & F_ISA) !== 0 || defaultIsa !== 0)) {
    if ((fields & F_ISA) === 0) table[plan + ISA] = defaultIsa << ELSE_SHIFT;
    fields |= F_ISA;
    special = false;
  }
  table[plan + MINIMUM] = Math.max(COMMON_BYTES, decoder.minimum) | (special ? SPECIAL : 0);
  table[plan + EVENT] = decoder.event | (fields << 16);
  return true;
}

type Field = RecordDecoder['wide'][number] | RecordDecoder['narrow'][number];

/** The int of a field's column; 0 if it is neither whole aligned words nor an unsigned part of one. */
function placeOf({ offset, size, signed }: Field): number {
  if (offset % Math.min(size, 4) !== 0 || (size < 4 && signed) || offset >> 2 > OFFSET_MASK) return 0;
  const left = size < 4 ? 32 - 8 * (size + (offset & 3)) : 0;
  const right = size < 4 ? 32 - 8 * size : 0;
  const high = size === 8 ? 1 << WIDE_SHIFT : signed ? 1 << (31 - SIGNED_LEFT) : 0;
  return (offset >> 2) | (left << LEFT_SHIFT) | (right << RIGHT_SHIFT) | high | (1 << IS_THERE);
}

/**
 * Adds rows from `batch.length` up to `limit` and returns what the top stream needs next; its event is the first that
 * is not done, or the last row. Streams' times are as reported: converted, if there is a conversion, by an offset only.
 */
export function takeFastRows(merge: StreamMerge, plans: EventPlans, batch: EventBatch, limit: number): Step {
  const { streams, heap, size, coreOnly } = merge;
  const { places, signedTimes: times, losses, records, cpus } = streams;
  const { table, at: planOf } = plans;
  const { time, cpu: cpuOf, tid, pid, vcpu, event, isa, code, address, arg0, fields } = batch;
  const { info1, info2, intrInfo, errorCode, arg1 } = batch;
  const fieldsMask = coreOnly ? CORE_FIELDS : 0xffff;
  let row = batch.length;
  for (;;) {
    const stream = heap[0];
    if (losses[stream] !== WITHOUT_LOSS) {
      batch.length = row;
      return WRITE;
    }
    const words = streams.words[stream];
    const base = WORDS * stream;
    const cpu = cpus[stream] < NO_CPU ? cpus[stream] : NO_CPU;
    const end = places[base + PAGE_END];
    const startLow = times[base];
    const startHigh = times[base + 1];
    let at = places[base + RECORD];
    let length = places[base + RECORD_LENGTH];
    let next = places[base + REST];
    let low = startLow;
    let high = startHigh;
    let taken = 0;
    // The stream goes on up to this time of the one after it.
    let followerLow = 0x7fffffff;
    let followerHigh = 0x7fffffff;
    if (size > 1) {
      let follower = heap[1];
      followerLow = times[WORDS * follower] ^ SIGN;
      followerHigh = times[WORDS * follower + 1] ^ SIGN;
      if (size > 2) {
        const other = heap[2];
        const otherLow = times[WORDS * other] ^ SIGN;
        const otherHigh = times[WORDS * other + 1] ^ SIGN;
        const isLower = other < follower;
        const lowBefore = otherLow < followerLow;
        const highBefore = otherHigh < followerHigh;
        if (otherHigh === followerHigh ? (otherLow === followerLow ? isLower : lowBefore) : highBefore) {
          follower = other;
          followerLow = otherLow;
          followerHigh = otherHigh;
        }
      }
      // Of equal times the lower stream comes first: one ns less for the higher one.
      if (stream > follower) {
        followerHigh = (followerHigh - (followerLow === SIGN ? 1 : 0)) | 0;
        followerLow = (followerLow - 1) | 0;
      }
    }
    let step: Step | typeof SWITCH = WRITE;
    while (row <= limit) {
      const word = at >>> 2;
      const plan = planOf[words[word] & 0xffff];
      const minimum = table[plan + MINIMUM];
      if (length < (minimum & ~SPECIAL)) break;
      time[2 * row] = low;
      time[2 * row + 1] = high;
      cpuOf[row] = cpu;
      tid[row] = words[word + PID_OFFSET / 4];
      pid[row] = -1;
      const eventAndFields = table[plan + EVENT];
      event[row] = eventAndFields;
      fields[row] = (eventAndFields >>> 16) & fieldsMask;
      const vcpuPlan = table[plan + VCPU];
      vcpu[row] = (words[word + (vcpuPlan & OFFSET_MASK)] & (vcpuPlan >> IS_THERE)) | ~(vcpuPlan >> IS_THERE);
      const codePlan = table[plan + CODE];
      code[row] =
        ((words[word + (codePlan & OFFSET_MASK)] << (codePlan >> LEFT_SHIFT)) >>> (codePlan >> RIGHT_SHIFT)) &
        (codePlan >> IS_THERE);
      const isaPlan = table[plan + ISA];
      const isaThere = isaPlan >> IS_THERE;
      const isaValue =
        (words[word + (isaPlan & OFFSET_MASK)] & isaThere) | ((isaPlan >> ELSE_SHIFT) & ELSE_MASK);
      // 1 and 2 are x86's own numbers; the branch is hardly ever taken.
      isa[row] = ((isaValue - 1) & isaThere) >>> 0 > 1 ? FOREIGN | (isaValue & 0x7f) : isaValue;
      const addressPlan = table[plan + ADDRESS];
      const addressAt = word + (addressPlan & OFFSET_MASK);
      const addressLow = (words[addressAt] << (addressPlan >> LEFT_SHIFT)) >>> (addressPlan >> RIGHT_SHIFT);
      const addressWide = (addressPlan >>> WIDE_SHIFT) & 1;
      address[2 * row] = addressLow;
      address[2 * row + 1] =
        (words[addressAt + addressWide] & -addressWide) |
        ((addressLow >> 31) & ((addressPlan << SIGNED_LEFT) >> 31));
      const arg0Plan = table[plan + ARG0];
      const arg0At = word + (arg0Plan & OFFSET_MASK);
      const arg0Low = (words[arg0At] << (arg0Plan >> LEFT_SHIFT)) >>> (arg0Plan >> RIGHT_SHIFT);
      const arg0Wide = (arg0Plan >>> WIDE_SHIFT) & 1;
      arg0[2 * row] = arg0Low;
      arg0[2 * row + 1] =
        (words[arg0At + arg0Wide] & -arg0Wide) | ((arg0Low >> 31) & ((arg0Plan << SIGNED_LEFT) >> 31));
      if (!coreOnly) {
        const intrInfoPlan = table[plan + INTR_INFO];
        intrInfo[row] =
          ((words[word + (intrInfoPlan & OFFSET_MASK)] << (intrInfoPlan >> LEFT_SHIFT)) >>>
            (intrInfoPlan >> RIGHT_SHIFT)) &
          (intrInfoPlan >> IS_THERE);
        const errorCodePlan = table[plan + ERROR_CODE];
        errorCode[row] =
          ((words[word + (errorCodePlan & OFFSET_MASK)] << (errorCodePlan >> LEFT_SHIFT)) >>>
            (errorCodePlan >> RIGHT_SHIFT)) &
          (errorCodePlan >> IS_THERE);
        const info1Plan = table[plan + INFO1];
        const info1At = word + (info1Plan & OFFSET_MASK);
        const info1Low = (words[info1At] << (info1Plan >> LEFT_SHIFT)) >>> (info1Plan >> RIGHT_SHIFT);
        const info1Wide = (info1Plan >>> WIDE_SHIFT) & 1;
        info1[2 * row] = info1Low;
        info1[2 * row + 1] =
          (words[info1At + info1Wide] & -info1Wide) | ((info1Low >> 31) & ((info1Plan << SIGNED_LEFT) >> 31));
        const info2Plan = table[plan + INFO2];
        const info2At = word + (info2Plan & OFFSET_MASK);
        const info2Low = (words[info2At] << (info2Plan >> LEFT_SHIFT)) >>> (info2Plan >> RIGHT_SHIFT);
        const info2Wide = (info2Plan >>> WIDE_SHIFT) & 1;
        info2[2 * row] = info2Low;
        info2[2 * row + 1] =
          (words[info2At + info2Wide] & -info2Wide) | ((info2Low >> 31) & ((info2Plan << SIGNED_LEFT) >> 31));
        const arg1Plan = table[plan + ARG1];
        const arg1At = word + (arg1Plan & OFFSET_MASK);
        const arg1Low = (words[arg1At] << (arg1Plan >> LEFT_SHIFT)) >>> (arg1Plan >> RIGHT_SHIFT);
        const arg1Wide = (arg1Plan >>> WIDE_SHIFT) & 1;
        arg1[2 * row] = arg1Low;
        arg1[2 * row + 1] =
          (words[arg1At + arg1Wide] & -arg1Wide) | ((arg1Low >> 31) & ((arg1Plan << SIGNED_LEFT) >> 31));
      }
      row++;
      if (minimum >= SPECIAL) {
        step = FINISH;
        break;
      }
      // The next event, if it is a plain one with its length in its head and lies within the page.
      const head = next + 4 <= end ? words[next >>> 2] : 0;
      const type = head & 31;
      const after = next + 4 + (type << 2);
      if ((type - 1) >>> 0 > 27 || after > end) {
        step = ADVANCE;
        break;
      }
      const delta = head >>> 5;
      low = (low + delta) | 0;
      high = (high + ((low ^ SIGN) < (delta ^ SIGN) ? 1 : 0)) | 0;
      at = next + 4;
      length = type << 2;
      next = after;
      taken++;
      const lowBehind = (low ^ SIGN) > followerLow;
      const highBehind = (high ^ SIGN) > followerHigh;
      if ((high ^ SIGN) === followerHigh ? lowBehind : highBehind) {
        step = SWITCH;
        break;
      }
    }
    if (taken > 0) {
      records[stream] += taken;
      places[base + RECORD] = at;
      places[base + RECORD_LENGTH] = length;
      places[base + REST] = next;
      times[base] = low;
      times[base + 1] = high;
      if (streams.raw > 0) {
        const borrow = low >>> 0 < startLow >>> 0 ? 1 : 0;
        addTime(streams.times, base + streams.raw, (low - startLow) >>> 0, high - startHigh - borrow);
      }
    }
    if (step !== SWITCH) {
      batch.length = row;
      return step;
    }
    // The heap's order is restored: the stream sinks to its place.
    const lowKey = low ^ SIGN;
    const highKey = high ^ SIGN;
    let place = 0;
    for (let child = 1; child < size; child = 2 * place + 1) {
      let index = WORDS * heap[child];
      let childLow = times[index] ^ SIGN;
      let childHigh = times[index + 1] ^ SIGN;
      if (child + 1 < size) {
        index = WORDS * heap[child + 1];
        const otherLow = times[index] ^ SIGN;
        const otherHigh = times[index + 1] ^ SIGN;
        const isLower = heap[child + 1] < heap[child];
        const lowBefore = otherLow < childLow;
        const highBefore = otherHigh < childHigh;
        if (otherHigh === childHigh ? (otherLow === childLow ? isLower : lowBefore) : highBefore) {
          child++;
          childLow = otherLow;
          childHigh = otherHigh;
        }
      }
      const isLower = heap[child] < stream;
      const lowBefore = childLow < lowKey;
      const highBefore = childHigh < highKey;
      if (!(childHigh === highKey ? (childLow === lowKey ? isLower : lowBefore) : highBefore)) break;
      heap[place] = heap[child];
      place = child;
    }
    heap[place] = stream;
  }
}

/** Adds to the words at `index`. */
function addTime(times: Uint32Array, index: number, low: number, high: number): void {
  const sum = times[index] + low;
  times[index] = sum;
  times[index + 1] += high + (sum >= TWO_32 ? 1 : 0);
}
