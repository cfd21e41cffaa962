/**
 * From recorded times to those that trace-cmd report shows (timestamp_calc in its lib/trace-cmd/trace-input.c): the
 * guest's difference to its host (TIME_SHIFT), then cycles to ns (TSC2NSEC), then the offset of DATE and OFFSET.
 */
import { storeBigInt, TWO_32, wordsToBigInt, wordsToBigUint } from '../../core/words.ts';
import type { RecordingOptions, TimeShift } from './recording.ts';

export interface TimeConversion {
  readonly timeShift: TimeShift | null;
  /** ns = (time · mult) >> shift; mult 0: as it is. */
  readonly mult: number;
  readonly shift: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

/** Ticks of the clock `uptime` are 1/100 s (USER_HZ), whatever trace-cmd takes them for. */
const UPTIME_TICK_NS = 10_000_000;

/** Null if recorded times are ns as they are. */
export function createTimeConversion(options: RecordingOptions, clock: string | null): TimeConversion | null {
  const uptime = clock === 'uptime' && !options.tscToNs;
  const { mult, shift } = uptime
    ? { mult: UPTIME_TICK_NS, shift: 0 }
    : (options.tscToNs ?? { mult: 0, shift: 0 });
  const timeShift = options.timeShift?.cpus.some((samples) => samples.length > 0) ? options.timeShift : null;
  if (mult === 0 && !timeShift && !options.offsetNs) return null;
  const offset = new Uint32Array(2);
  storeBigInt(offset, 0, options.offsetNs ?? 0n);
  return { timeShift, mult, shift, offsetLow: offset[0], offsetHigh: offset[1] };
}

/** Whether all CPUs' times are converted alike: multiplied, shifted, added to, if anything. */
export function isUniform(conversion: TimeConversion | null): boolean {
  return conversion === null || conversion.timeShift === null;
}

/** Replaces times[index] and times[index + 1] ([low, high] words). */
export function convertTime(
  conversion: TimeConversion,
  cpu: number,
  times: Uint32Array,
  index: number,
): void {
  if (conversion.timeShift) shiftTime(conversion.timeShift, cpu, times, index);
  if (conversion.mult !== 0) multiplyShift(times, index, conversion.mult, conversion.shift);
  const low = times[index] + conversion.offsetLow;
  times[index] = low;
  times[index + 1] += conversion.offsetHigh + (low >= TWO_32 ? 1 : 0);
}

/** Product of the last wordProduct(): [low, high]. */
const product = new Uint32Array(2);

/** a · b of two 32-bit numbers, in halves of 16 bits because doubles are exact below 2^53 only. */
function wordProduct(a: number, b: number): void {
  const top = a * (b >>> 16);
  const low = a * (b & 0xffff) + (top % 65536) * 65536;
  product[0] = low;
  product[1] = Math.floor(top / 65536) + Math.floor(low / TWO_32);
}

/** (value · mult) >> shift with 96 bits in between, mult below 2^32 and shift below 64. */
function multiplyShift(words: Uint32Array, index: number, mult: number, shift: number): void {
  wordProduct(words[index], mult);
  let w0 = product[0];
  const carry = product[1];
  wordProduct(words[index + 1], mult);
  const middle = product[0] + carry;
  let w1 = middle % TWO_32;
  let w2 = product[1] + (middle >= TWO_32 ? 1 : 0);
  let left = shift;
  if (left >= 32) {
    w0 = w1;
    w1 = w2;
    w2 = 0;
    left -= 32;
  }
  words[index] = left === 0 ? w0 : (w0 >>> left) | (w1 << (32 - left));
  words[index + 1] = left === 0 ? w1 : (w1 >>> left) | (w2 << (32 - left));
}

/** A guest's times: BigInt, because such files hold no exits whose speed would matter. */
function shiftTime(shift: TimeShift, cpu: number, times: Uint32Array, index: number): void {
  const samples = shift.cpus[cpu];
  if (samples === undefined || samples.length === 0) return;
  const signed = wordsToBigInt(times[index], times[index + 1]);
  if (samples.length === 1) {
    storeBigInt(times, index, signed + samples[0].offset);
    return;
  }
  let low = 0;
  let high = samples.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (samples[middle].time <= signed) low = middle;
    else high = middle - 1;
  }
  const before = samples[low];
  const after = samples[low + 1];
  let correction = before.offset;
  if (shift.interpolate) {
    const span = after.time - before.time;
    correction += ((signed - before.time) * (after.offset - before.offset) + span / 2n) / span;
  }
  const scaled =
    BigInt.asUintN(64, wordsToBigUint(times[index], times[index + 1]) * before.scaling) >> before.fraction;
  storeBigInt(times, index, scaled + correction);
}
