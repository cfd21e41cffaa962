/** What is asked of inputs that QEMU wrote, and only of these. */

import type { OpenedInput } from '../parsers/open-input.ts';
import { findTraceEvents } from '../parsers/simpletrace/find-events.ts';
import type { ParseOptions } from '../parsers/trace-format.ts';
import type { ReadOptions } from './options.ts';

/** Whether an input was written by QEMU, not by the kernel. */
export function isQemu(input: OpenedInput): boolean {
  return input.format.ofQemu === true;
}

/** QEMU's event declarations: as given, else the file that lies beside the recording. */
export function traceEventsOf(
  path: string,
  input: OpenedInput,
  options: ReadOptions,
): Pick<ParseOptions, 'traceEvents'> {
  if (options.traceEvents !== null) return { traceEvents: options.traceEvents };
  if (!isQemu(input)) return {};
  const found = findTraceEvents(path);
  return found ? { traceEvents: found.text } : {};
}
