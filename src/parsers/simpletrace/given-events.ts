/** The trace-events-all text that the caller gives with the recording. */
import { note } from '../../core/diagnostics.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ParseOptions } from '../trace-format.ts';
import { parseTraceEvents, type TraceEvents } from './trace-events.ts';

/** Parsed, null if none was given. */
export function readTraceEvents(context: TraceContext, { traceEvents }: ParseOptions): TraceEvents | null {
  if (traceEvents === undefined) return null;
  const events = parseTraceEvents(traceEvents);
  if (events.unreadable > 0)
    note(
      context.diagnostics,
      'unreadable-trace-events',
      'suspect',
      'lines of the trace-events file that declare no event: is it a trace-events-all of QEMU?',
      events.unreadable,
    );
  return events;
}
