import type { ReportOptions } from '../../src/commands/options.ts';

/** Options of `kvmtrace report` without any flag. */
export function defaultReportOptions(): ReportOptions {
  return {
    traceEvents: null,
    filters: {
      pids: null,
      tids: null,
      vcpus: null,
      cpus: null,
      reasons: null,
      excludes: null,
      levels: null,
      from: null,
      to: null,
      words: [],
    },
    by: [],
    thanNs: 0,
    slowLimit: 10,
    includeIdle: false,
  };
}
