/**
 * The slow exits as Chrome trace JSON, which the Perfetto UI and speedscope open: a slice per exit on its thread's
 * track, what happened during it as instants. Format: "Trace Event Format" (Google, 2016), JSON object form. Times are
 * µs since the capture's first event, to the ns. As large as the slow list is long.
 */
import { jsonString } from './escape.ts';
import type { ReportModel, SlowModel } from './model.ts';

type Args = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

/** µs with three decimals, digit by digit. */
function micros(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const digits = String(ns < 0n ? -ns : ns).padStart(4, '0');
  return `${sign}${digits.slice(0, -3)}.${digits.slice(-3)}`;
}

function argsOf(args: Args): string {
  const known = Object.entries(args).filter(([, value]) => value !== null && value !== undefined);
  return `{${known.map(([key, value]) => `${jsonString(key)}:${typeof value === 'string' ? jsonString(value) : value}`).join(',')}}`;
}

/** Where the recording has no process, all threads are in one that has no name. */
const processOf = (row: { readonly pid: number | null }) => row.pid ?? 0;

function* tracks(model: ReportModel): Generator<string> {
  const used = new Set(model.slow.map(({ tid }) => tid));
  const processes = new Set<number>();
  const comms = new Map(model.slow.map((row) => [row.tid, { ...row, vm: null as string | null }]));
  for (const row of model.vcpus) {
    if (!used.has(row.tid)) continue;
    const slow = comms.get(row.tid)!;
    comms.set(row.tid, { ...slow, vm: row.vm, comm: slow.comm ?? row.comm, vcpu: slow.vcpu ?? row.vcpu });
  }
  for (const row of [...comms.values()].sort((a, b) => (a.vcpu ?? -1) - (b.vcpu ?? -1) || a.tid - b.tid)) {
    const pid = processOf(row);
    const name = row.vcpu === null ? (row.comm ?? `thread ${row.tid}`) : `vCPU ${row.vcpu}`;
    if (!processes.has(pid)) {
      processes.add(pid);
      yield `{"ph":"M","name":"process_name","pid":${pid},"args":${argsOf({ name: row.vm ?? 'guest' })}}`;
    }
    yield `{"ph":"M","name":"thread_name","pid":${pid},"tid":${row.tid},"args":${argsOf({ name })}}`;
    yield `{"ph":"M","name":"thread_sort_index","pid":${pid},"tid":${row.tid},"args":${argsOf({ sort_index: row.vcpu ?? 65536 })}}`;
  }
}

function slice(row: SlowModel, first: bigint): string {
  const args = argsOf({
    latencyNs: row.latencyNs,
    exitNs: String(row.exitNs),
    isa: row.isa,
    code: row.code,
    level: row.level,
    vcpu: row.vcpu,
    exitCpu: row.exitCpu,
    entryCpu: row.entryCpu,
    rip: row.rip,
    escalated: row.escalated,
    userspaceReason: row.userspaceReason,
  });
  return `{"ph":"X","cat":"exit","name":${jsonString(row.name)},"pid":${processOf(row)},"tid":${row.tid},"ts":${micros(row.exitNs - first)},"dur":${micros(row.entryNs - row.exitNs)},"args":${args}}`;
}

function* instants(model: ReportModel, first: bigint): Generator<string> {
  for (const exit of model.context?.exits ?? []) {
    const pid = processOf(model.slow[exit.slow]);
    for (const event of exit.events)
      yield `{"ph":"i","s":"t","cat":"event","name":${jsonString(event.name)},"pid":${pid},"tid":${exit.tid},"ts":${micros(exit.exitNs - first + BigInt(Math.round(event.offsetNs)))},"args":${argsOf({ values: event.values, cpu: event.cpu, byTid: event.tid === exit.tid ? null : event.tid })}}`;
  }
}

/** Exits per second of each interval, as a counter, which keeps its value until the next: intervals without exits are 0. */
function* counters(model: ReportModel, first: bigint): Generator<string> {
  const at = (ns: bigint, exits: number) =>
    `{"ph":"C","name":"exits per second","pid":0,"ts":${micros(ns - first)},"args":{"exits":${exits}}}`;
  let end: bigint | null = null;
  for (const row of model.intervals?.totals ?? []) {
    if (end !== null && end < row.fromNs) yield at(end, 0);
    end = row.fromNs + BigInt(row.lengthNs);
    if (row.perSecond !== null && row.lengthNs >= model.intervals!.widthNs / 2)
      yield at(row.fromNs, Math.round(row.perSecond));
  }
  if (end !== null && end < (model.capture.lastNs ?? end)) yield at(end, 0);
}

export function* render(model: ReportModel): Generator<string> {
  const { capture, slowSelection } = model;
  const first = capture.firstNs ?? 0n;
  const rows = [...model.slow].sort((a, b) =>
    a.exitNs < b.exitNs ? -1 : a.exitNs > b.exitNs ? 1 : a.tid - b.tid,
  );
  yield `{"displayTimeUnit":"ns","otherData":${argsOf({
    tool: `kvmtrace ${model.tool.version}`,
    host: capture.host,
    kernel: capture.kernel,
    clock: capture.clock,
    firstNs: capture.firstNs === null ? null : String(capture.firstNs),
    content: `the ${rows.length} longest of ${slowSelection.qualified ?? 'an unknown number of'} exits${slowSelection.includesIdle ? '' : ', idle ones left out'}`,
  })},\n"traceEvents":[`;
  let lead = '\n';
  const all = function* () {
    yield* tracks(model);
    for (const row of rows) yield slice(row, first);
    yield* instants(model, first);
    yield* counters(model, first);
  };
  for (const event of all()) {
    yield lead + event;
    lead = ',\n';
  }
  yield '\n]}\n';
}
