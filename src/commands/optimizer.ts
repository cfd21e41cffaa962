/**
 * When V8 optimises. Where kernels take the events, the TypeScript between them runs often enough for V8 to optimise it, in
 * each thread anew, but not long enough to win that time back: it was a tenth of a large report's CPU time.
 *
 * Flags hold for the whole process, and a code cache only for the flags that it was made with: the bundle's, and Node.js's
 * own that a worker starts from. So they are changed once the worker runs, and changed back before the report is rendered.
 */
import { v8 } from '../core/builtins.ts';

/** Bytes of bytecode that a function runs before V8 considers optimising it: fifteen times as many as usual. */
const LATE = 1_000_000;
/** `node --v8-options` of Node.js 20 to 24. Another one would only cost the cache of what is loaded later. */
const USUAL = 66 << 10;

export function optimizeLate(): void {
  v8().setFlagsFromString(`--interrupt-budget=${LATE}`);
}

export function optimizeAsUsual(): void {
  v8().setFlagsFromString(`--interrupt-budget=${USUAL}`);
}
