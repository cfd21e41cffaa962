/** Which of the requested passes have something to do in a recording. */
import type { AnalysisOptions } from '../analysis/analyze.ts';
import type { PassOf } from '../analysis/passes.ts';
import type { TraceContext } from '../core/trace-context.ts';

/** Leaves out passes that nobody asked for and that have nothing to do in this recording. */
export function wantedPasses(
  { enabledEvents }: TraceContext,
  options: AnalysisOptions,
  passOf: PassOf,
): AnalysisOptions {
  if (enabledEvents === null) return options;
  const wanted = options.passes.filter(
    ({ name, optional }) => !optional || (passOf(name).wants?.(enabledEvents) ?? true),
  );
  return { ...options, passes: wanted };
}
