/**
 * When V8 optimises: where kernels take the events, the calls between them run often enough to be optimised, in both
 * threads, but not long enough to pay for it: that took a seventh of a large report's CPU time.
 *
 * Flags are the whole process's, and V8's code cache is only for the flags that it was made with: Node.js's own for a
 * worker's start as well as the bundle's. So they change once the worker runs, and are as before when the report is made.
 */
import { v8 } from '../core/builtins.ts';

/** Bytes of bytecode that a function runs before V8 thinks of optimising it; what is no multiple of a call does not matter. */
const LATE = 1_000_000;
/** `node --v8-options` of Node.js 20 to 24. Another one would only cost the cache of what is loaded later. */
const USUAL = 66 << 10;

export function optimizeLate(): void {
  v8().setFlagsFromString(`--interrupt-budget=${LATE}`);
}

export function optimizeAsUsual(): void {
  v8().setFlagsFromString(`--interrupt-budget=${USUAL}`);
}
