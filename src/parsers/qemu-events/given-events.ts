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

/** What the diagnostic `events-without-arguments` says. */
export function withoutArguments(declarationsGiven: boolean): string {
  return declarationsGiven
    ? 'QEMU events that the trace-events file does not declare: kept by name alone'
    : 'QEMU events kept by name alone: give the trace-events-all of the QEMU build with --trace-events to read their arguments';
}
