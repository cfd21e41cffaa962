/**
 * Named counters for everything that is not as it should be. They travel with the capture and are printed in
 * every report: a reader must be able to see what a number does not cover.
 */

/** info: worth knowing; suspect: numbers may be off; data-loss: recorded data is missing from the numbers. */
export type Severity = 'info' | 'suspect' | 'data-loss';

export interface Diagnostic {
  /** Stable identifier, kebab-case: `lost-events`, `truncated-file`. */
  readonly code: string;
  readonly severity: Severity;
  /** For people, what happened and what it means: no capital at the beginning, no full stop at the end. */
  message: string;
  count: number;
}

export interface Diagnostics {
  readonly entries: Map<string, Diagnostic>;
}

export function createDiagnostics(): Diagnostics {
  return { entries: new Map() };
}

/** Adds `count` to the counter `code`, making it with this severity and message at the first call. */
export function note(
  diagnostics: Diagnostics,
  code: string,
  severity: Severity,
  message: string,
  count = 1,
): void {
  const entry = diagnostics.entries.get(code);
  if (entry) entry.count += count;
  else diagnostics.entries.set(code, { code, severity, message, count });
}

export function listDiagnostics(diagnostics: Diagnostics): Diagnostic[] {
  return [...diagnostics.entries.values()];
}
