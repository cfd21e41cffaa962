/** What TypeScript counts in doubles, to the same bit: differences of times, and sums of two doubles. */

const TWO_32: f64 = 4294967296;
/** 2^52: where the lower double of a sum carries (analysis/exact-sum.ts). */
const CARRY: f64 = 4503599627370496;

/** a − b in ns as core/words.ts has it. */
export function since(a: i64, b: i64): f64 {
  const high = <i32>((a >> 32) - (b >> 32));
  return <f64>high * TWO_32 + (<f64>(<u32>a) - <f64>(<u32>b));
}

/** Adds one to a double. */
export function addOne(address: usize): void {
  store<f64>(address, load<f64>(address) + 1);
}

/** Adds an integer below 2^52 to an exact sum. */
export function addExact(address: usize, value: f64): void {
  const low = load<f64>(address) + value;
  if (low >= CARRY) {
    store<f64>(address, low - CARRY);
    addOne(address + 8);
  } else store<f64>(address, low);
}
