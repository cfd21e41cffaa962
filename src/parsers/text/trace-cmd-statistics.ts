/** What `trace-cmd report --stat` prints in place of events. */
export const TRACE_CMD_STATISTICS =
  /^(?:.{1,80}: )?Kernel buffer statistics:|^CPU\d+ data recorded at offset=/m;
