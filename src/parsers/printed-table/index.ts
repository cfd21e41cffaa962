/**
 * Printed results of other tools: they open with a word on what to give instead. An input counts as one only if it has
 * no trace lines (their formats are surer of themselves).
 */
import { TraceFormatError } from '../../core/errors.ts';
import { TRACE_CMD_STATISTICS } from '../text/trace-cmd-statistics.ts';
import type { TraceFormat } from '../trace-format.ts';

interface Table {
  readonly tool: string;
  readonly head: RegExp;
  readonly instead: string;
}

const RECORD = 'record the events and give that recording';

const TABLES: readonly Table[] = [
  {
    tool: 'trace-cmd report --stat',
    head: TRACE_CMD_STATISTICS,
    instead:
      'give the trace.dat itself (`kvmtrace info` tells what it lost), or what trace-cmd report prints without --stat',
  },
  {
    tool: 'perf kvm stat',
    head: /^\s*(?:VM-EXIT|Event name)\s+Samples\s+Samples%/m,
    instead: 'give the perf.data that `perf kvm stat record` wrote (perf.data.guest or perf.data.kvm)',
  },
  {
    tool: 'perf stat',
    head: /^\s*Performance counter stats for /m,
    instead: RECORD,
  },
  { tool: 'perf-prof kvm-exit', head: /^\s*exit_reason\s+calls\s+total\(/m, instead: RECORD },
  { tool: 'kvmexit (bcc)', head: /^\s*(?:PID\s+)?(?:TID\s+)?KVM_EXIT_REASON\s+COUNT/m, instead: RECORD },
  { tool: 'kvm_hypercall (bcc)', head: /^\s*TIME\(s\)\s+COMM\s+PID\s+MESSAGE/m, instead: RECORD },
  { tool: 'kvm_stat', head: /^\s*(?:kvm statistics|Event\s+Total\s+%Total\s+CurAvg)/m, instead: RECORD },
];

export const printedTable: TraceFormat = {
  id: 'printed-table',
  title: 'printed table of another tool (refused with what to give instead)',
  access: 'sequential',
  sniff(head) {
    const table = tableIn(head);
    return table
      ? { confidence: 1, reason: `a table printed by ${table.tool}` }
      : { confidence: 0, reason: 'no known table' };
  },
  // biome-ignore lint/correctness/useYield: there are no events to yield
  *parse(source) {
    const head = new Uint8Array(65536);
    const table = tableIn(head.subarray(0, source.readAt(0, head, 0, head.length)));
    throw new TraceFormatError({
      format: 'printed-table',
      message: `this is a table printed by ${table?.tool ?? 'another tool'}, not a trace: it holds sums and no events`,
      hint: table?.instead ?? RECORD,
    });
  },
};

function tableIn(head: Uint8Array): Table | null {
  const text = new TextDecoder('latin1').decode(head);
  return TABLES.find((table) => table.head.test(text)) ?? null;
}
