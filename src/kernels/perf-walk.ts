/** perf.data: finds the runs of samples that are in order of time. */
import { HEADER_BYTES, RECORD_SAMPLE } from '../parsers/perf-data/record-types.ts';
import { ID_MAIN } from '../parsers/perf-data/sample-ids.ts';
import {
  W_BASE,
  W_BYTES,
  W_ID,
  W_ID_KINDS,
  W_LAST_KEY,
  W_MAX_KEY,
  W_RUN_AT,
  W_RUN_CAPACITY,
  W_RUN_END,
  W_RUN_KEY,
  W_RUNS,
  W_TIME,
  W_USED,
  W_VARIABLE,
} from '../parsers/perf-data/window-layout.ts';
import { idKind } from './perf-sample.ts';

/**
 * Passes over whole samples of the main layout from position `from` on: most of every file. Returns where it stopped. A
 * run that ends is closed, and the next one started, as addTimed() in walk-records.ts does it.
 */
export function walkSamples(window: usize, from: u32): u32 {
  const bytes = load<usize>(window, W_BYTES);
  const end = bytes + load<usize>(window, W_USED);
  const base = load<i64>(window, W_BASE);
  const variable = load<usize>(window, W_VARIABLE);
  const timeAt = load<usize>(window, W_TIME);
  const idAt = load<usize>(window, W_ID);
  const idKinds = load<usize>(window, W_ID_KINDS);
  let lastKey = load<f64>(window, W_LAST_KEY);
  let at = bytes + <usize>from;
  while (at + HEADER_BYTES <= end) {
    const header = load<u64>(at);
    const size = <usize>(header >> 48);
    if (<u32>header !== RECORD_SAMPLE || size < variable || at + size > end) break;
    if (idKinds !== 0 && idKind(idKinds, at + idAt) !== ID_MAIN) break;
    const key = <f64>(load<i64>(at + timeAt) - base);
    if (key < lastKey) {
      if (load<u32>(window, W_RUNS) === load<u32>(window, W_RUN_CAPACITY)) break;
      startRun(window, <u32>(at - bytes), key, lastKey);
    }
    lastKey = key;
    at += size;
  }
  if (lastKey !== Infinity) keepMaximum(window, lastKey);
  store<f64>(window, lastKey, W_LAST_KEY);
  return <u32>(at - bytes);
}

/** `lastKey`: of the run before, its largest; Infinity if that has been closed. */
function startRun(window: usize, at: u32, key: f64, lastKey: f64): void {
  const run = load<usize>(window, W_RUNS);
  if (lastKey !== Infinity) {
    keepMaximum(window, lastKey);
    if (run > 0) store<u32>(load<usize>(window, W_RUN_END) + ((run - 1) << 2), at);
  }
  store<u32>(load<usize>(window, W_RUN_AT) + (run << 2), at);
  store<f64>(load<usize>(window, W_RUN_KEY) + (run << 3), key);
  store<u32>(window, <u32>run + 1, W_RUNS);
}

function keepMaximum(window: usize, key: f64): void {
  if (key > load<f64>(window, W_MAX_KEY)) store<f64>(window, key, W_MAX_KEY);
}
