/** Several inputs of one run: they share dictionaries, threads and diagnostics, and each states facts of its own. */
import { createTraceContext, type TraceContext } from '../core/trace-context.ts';
import { noteMachines } from './same-machine.ts';

/** A context for one input of several: dictionaries and tables are the run's, the rest is the input's own. */
export function createInputContext(run: TraceContext): TraceContext {
  const { events, threads, strings, diagnostics } = run;
  return { ...createTraceContext(), events, threads, strings, diagnostics };
}

/** Fills the run's facts from those of its inputs; of a fact that several state the first one's counts. */
export function combineContexts(run: TraceContext, inputs: readonly TraceContext[]): void {
  const first = <T>(pick: (context: TraceContext) => T | null): T | null => {
    for (const context of inputs) {
      const value = pick(context);
      if (value !== null) return value;
    }
    return null;
  };
  run.arch = first((context) => context.arch);
  run.kernel = first((context) => context.kernel);
  run.host = first((context) => context.host);
  run.cpuModel = first((context) => context.cpuModel);
  run.clock = first((context) => context.clock);
  run.timeIsNs = inputs.every((context) => context.timeIsNs);
  run.timeResolutionNs = Math.max(...inputs.map((context) => context.timeResolutionNs));
  run.defaultIsa = first((context) => context.defaultIsa || null) ?? 0;
  run.markerName = inputs[0].markerName;
  for (const { enabledEvents } of inputs)
    for (const name of enabledEvents ?? []) {
      run.enabledEvents ??= new Set();
      run.enabledEvents.add(name);
    }
  for (const context of inputs)
    for (const [name, value] of context.facts) if (!run.facts.has(name)) run.facts.set(name, value);
  noteMachines(run, inputs);
}
