/** Whether the inputs of one run were recorded on one machine, as far as they say. */
import { note } from '../core/diagnostics.ts';
import type { TraceContext } from '../core/trace-context.ts';

const STATED: readonly {
  readonly what: string;
  readonly of: (context: TraceContext) => string | null;
}[] = [
  { what: 'host', of: ({ host }) => host },
  { what: 'kernel', of: ({ kernel }) => kernel },
  { what: 'architecture', of: ({ arch }) => arch },
  { what: 'CPU', of: ({ cpuModel }) => cpuModel?.replace(/\s+/g, ' ').trim() ?? null },
];

/** Recordings of two machines make one report that is of neither; what they do not state is not compared. */
export function noteMachines(run: TraceContext, inputs: readonly TraceContext[]): void {
  const differing = STATED.flatMap(({ what, of }) => {
    const values = new Set(inputs.map(of).filter((value) => value !== null && value !== ''));
    return values.size > 1 ? [`${what} ${[...values].join(' and ')}`] : [];
  });
  if (differing.length > 0)
    note(
      run.diagnostics,
      'machines-differ',
      'suspect',
      `the inputs are of different machines (${differing.join('; ')}), and threads and CPUs of the same number are taken for one: report each alone, or compare two with kvmtrace diff`,
    );
}
