/** Which inputs repeat QEMU's events of another one: each event is to count once. */
import { compareTwins, type TwinComparison } from '../capture/compare-twins.ts';
import { dropTwins, MAX_TWIN_SOURCES, markSource } from '../capture/drop-twins.ts';
import { note } from '../core/diagnostics.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { OpenedInput } from '../parsers/open-input.ts';
import { type AlignedInputs, noteTwins, type Scan } from './align-inputs.ts';
import { isQemu } from './qemu-inputs.ts';

type Batches = Iterator<EventBatch>;

export interface TwinPlan {
  /** Marks the rows of an input, so that they can be told apart when merged. */
  mark(input: number, batches: Batches): Batches;
  /** Leaves out of the merged rows what is repeated, and says at the end how much that was. */
  drop(merged: Batches): Batches;
}

/** Inputs that are compared as one: all of the kernel's, the trace files that one QEMU wrote in turn, or one log. */
interface Source {
  readonly inputs: readonly number[];
  readonly name: string;
  readonly kind: string;
  /** Number of the source that keeps what this one repeats, −1: it repeats nothing. */
  keeper: number;
  /** No twins of its events are farther apart, ns. */
  reachNs: number;
  readonly pidOfTid: Map<number, number>;
}

/** Null if no input repeats another. */
export function findTwins(
  paths: readonly string[],
  inputs: readonly OpenedInput[],
  { offsets, scans }: AlignedInputs,
  run: TraceContext,
): TwinPlan | null {
  if (scans === null) return null;
  const all = listSources(paths, inputs, scans);
  const sources = all.slice(0, MAX_TWIN_SOURCES);
  if (sources.length < all.length)
    note(
      run.diagnostics,
      'inputs-not-compared',
      'suspect',
      `more than ${MAX_TWIN_SOURCES} inputs hold events of QEMU: whether the others repeat them was not looked at`,
      all.length - sources.length,
    );
  for (const [number, source] of sources.entries())
    for (let keeper = 0; keeper < number && source.keeper < 0; keeper++)
      if (sources[keeper].keeper < 0) compare(sources, number, keeper, offsets, scans, run);
  if (sources.every(({ keeper }) => keeper < 0)) return null;
  const numbers = inputs.map((_, input) => sources.findIndex((source) => source.inputs.includes(input)));
  return {
    mark: (input, batches) => {
      const number = numbers[input];
      return number < 0
        ? batches
        : markSource(batches, number, isQemu(inputs[input]), sources[number].pidOfTid);
    },
    drop: (merged) =>
      dropTwins(
        merged,
        sources.map(({ keeper }) => keeper),
        sources.map(({ reachNs }) => reachNs),
        (counts) => report(sources, counts, run),
      ),
  };
}

/** The kernel's inputs first: markers tell thread and CPU. A log's times are coarser than those of simpletrace. */
function listSources(
  paths: readonly string[],
  inputs: readonly OpenedInput[],
  scans: readonly Scan[],
): Source[] {
  const source = (members: readonly number[], kind: string): Source => ({
    inputs: members,
    name: members.map((input) => paths[input]).join(', '),
    kind,
    keeper: -1,
    reachNs: 0,
    pidOfTid: new Map(),
  });
  const some = inputs.map((_, i) => i).filter((i) => scans[i].sample.rows.length > 0 && scans[i].timeIsNs);
  const kernel = some.filter((i) => !isQemu(inputs[i]));
  const ofKind = (kind: string) =>
    some.filter((i) => inputs[i].format.id === kind).map((i) => source([i], kind));
  return [
    ...(kernel.length > 0 ? [source(kernel, 'kernel')] : []),
    ...byProcess(
      some.filter((i) => inputs[i].format.id === 'simpletrace'),
      scans,
    ).map((members) => source(members, 'simpletrace')),
    ...ofKind('qemu-log'),
  ];
}

/**
 * Inputs of one process, which cannot write two trace files at once: `trace-file set` began another, while its log went
 * on. Files without a process (before QEMU 2.1) stay apart.
 */
function byProcess(inputs: readonly number[], scans: readonly Scan[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const input of inputs) {
    const { clock, sample } = scans[input];
    // The first events may have 0 (simpletrace/records.ts).
    const pid = sample.rows.pid.subarray(0, sample.rows.length).find((id) => id > 0) ?? -1;
    const key = pid >= 0 ? `${pid} ${clock}` : `input ${input}`;
    groups.set(key, [...(groups.get(key) ?? []), input]);
  }
  return [...groups.values()];
}

function compare(
  sources: readonly Source[],
  number: number,
  keeper: number,
  offsets: AlignedInputs['offsets'],
  scans: readonly Scan[],
  run: TraceContext,
): void {
  const [ours, theirs] = [sources[keeper], sources[number]];
  const offsetOf = ({ inputs: [input] }: Source) => offsets[input] ?? 0n;
  // One clock cannot be off: what fits only when it is shifted is another run.
  const sameClock = scans[ours.inputs[0]].clock === scans[theirs.inputs[0]].clock;
  const comparison = compareTwins(
    ours.inputs.map((input) => scans[input].sample),
    theirs.inputs.map((input) => scans[input].sample),
    sameClock ? 0n : offsetOf(theirs) - offsetOf(ours),
  );
  if (comparison?.same) {
    theirs.keeper = keeper;
    theirs.reachNs = comparison.reachNs;
    for (const [tid, pid] of comparison.pidOfTid)
      ours.pidOfTid.set(tid, (ours.pidOfTid.get(tid) ?? pid) === pid ? pid : -1);
  } else if (comparison !== null && ours.kind !== theirs.kind) noteDifferent(ours, theirs, comparison, run);
}

function noteDifferent(
  ours: Source,
  theirs: Source,
  { twins, kept, repeated }: TwinComparison,
  run: TraceContext,
): void {
  note(
    run.diagnostics,
    'qemu-events-differ',
    'info',
    `${ours.name} and ${theirs.name} both hold events of QEMU in the same time (${kept} and ${repeated} compared), but not the same ones (${twins} alike): all are counted`,
  );
}

function report(sources: readonly Source[], counts: readonly number[], run: TraceContext): void {
  for (const [number, { keeper, name }] of sources.entries()) {
    if (keeper < 0 || counts[number] === 0) continue;
    noteTwins(run, name, sources[keeper].name, counts[number]);
  }
}
