/**
 * Several inputs of one run on one clock. Inputs whose clocks have the same name are taken as they are; a QEMU trace on
 * another clock than the kernel's is shifted by the offset that its exits to user space show.
 */
import {
  type Alignment,
  addToSequence,
  alignSequences,
  createExitSequence,
  type ExitSequence,
  matchUnshifted,
} from '../capture/clock-align.ts';
import { createInputContext } from '../capture/combine-contexts.ts';
import { addToSample, createQemuSample, type QemuSample, sampleSequence } from '../capture/compare-twins.ts';
import { addToExitSample, createExitSample, type ExitSample, findSameExits } from '../capture/same-exits.ts';
import { repeatsUntimed } from '../capture/untimed-twins.ts';
import { note } from '../core/diagnostics.ts';
import { UsageError } from '../core/errors.ts';
import { createTraceContext, type TraceContext } from '../core/trace-context.ts';
import type { OpenedInput } from '../parsers/open-input.ts';
import type { ReadOptions } from './options.ts';
import { isQemu, traceEventsOf } from './qemu-inputs.ts';

/** Offsets below this are the same clock: the two events of an exit are about 1 µs apart. */
const SAME_CLOCK_NS = 100_000n;

/** What a first reading of an input shows. */
export interface Scan {
  readonly clock: string | null;
  readonly timeIsNs: boolean;
  readonly sequence: ExitSequence;
  readonly sample: QemuSample;
  readonly exits: ExitSample;
}

export interface AlignedInputs {
  /** ns to add to each input's times; null where nothing is to be done. */
  readonly offsets: readonly (bigint | null)[];
  /** By input; null where inputs were not read for comparison. */
  readonly scans: readonly Scan[] | null;
  /** Inputs that are not read: logs without times that repeat another input. */
  readonly skipped: ReadonlySet<number>;
}

/** Finds what brings several inputs onto one clock. Says in the run's facts what was found. */
export async function alignClocks(
  paths: readonly string[],
  inputs: readonly OpenedInput[],
  run: TraceContext,
  options: ReadOptions,
): Promise<AlignedInputs> {
  const offsets = inputs.map((): bigint | null => null);
  const kernel = inputs.findIndex((input) => !isQemu(input));
  // One dictionary for all, so that event numbers can be compared.
  const dictionary = createTraceContext();
  const scans = inputs.map((input, i) => scan(paths[i], input, dictionary, options));
  const reference =
    kernel >= 0
      ? kernel
      : Math.max(
          0,
          inputs.findIndex(({ format }) => format.id === 'simpletrace'),
        );
  noteSameExits(paths, scans, run);
  const skipped = skipUntimed(paths, scans, run);
  for (const [i, other] of scans.entries()) {
    if (i === reference || skipped.has(i)) continue;
    if (kernel >= 0 && !(other.timeIsNs && scans[reference].timeIsNs))
      throw new UsageError(
        `${other.timeIsNs ? paths[reference] : paths[i]} has no times that could be merged with another input`,
        'Report on each input alone.',
      );
    offsets[i] = !isQemu(inputs[i])
      ? alignKernel(paths[i], scans[reference], other, run)
      : kernel >= 0
        ? alignQemu(paths[i], scans[reference], other, run)
        : alignBackEnds(paths[i], scans[reference], other, run);
  }
  if (kernel < 0)
    for (const [i, other] of scans.entries()) {
      if (i === reference || skipped.has(i) || offsets[i] !== null) continue;
      if (other.clock !== scans[reference].clock)
        offsets[i] =
          alignByAnother(paths, i, scans, offsets, run) ?? noteClocks(paths[i], scans[reference], other, run);
    }
  return { offsets, scans, skipped };
}

/** Says which inputs hold the same exits. Which of them is the better one is for the user to say. */
function noteSameExits(paths: readonly string[], scans: readonly Scan[], run: TraceContext): void {
  for (const [i, scan] of scans.entries())
    for (let j = 0; j < i; j++) {
      const found = findSameExits(scans[j].exits, scan.exits);
      if (found === null) continue;
      note(
        run.diagnostics,
        'same-exits-twice',
        'suspect',
        `${paths[j]} and ${paths[i]} hold the same exits (${found.same} of the ${found.of} compared): they count twice and are paired wrongly; give one of the two`,
      );
    }
}

/** Logs without times that repeat an input with times: they can neither be merged nor tell more. */
function skipUntimed(paths: readonly string[], scans: readonly Scan[], run: TraceContext): Set<number> {
  const skipped = new Set<number>();
  for (const [i, log] of scans.entries()) {
    if (log.timeIsNs || !log.sample.ofQemu) continue;
    const twin = scans.findIndex((scan) => scan.timeIsNs && repeatsUntimed(log.sample, scan.sample));
    if (twin < 0) continue;
    skipped.add(i);
    noteTwins(run, paths[i], paths[twin], log.sample.rows.length);
  }
  return skipped;
}

/** Says that `count` events of an input are left out because another one holds them too. */
export function noteTwins(run: TraceContext, path: string, keeper: string, count: number): void {
  run.facts.set(`QEMU events of ${path}`, `${count} left out: also in ${keeper}`);
  const before = run.diagnostics.entries.get('qemu-events-twice');
  if (before) before.message += `; also ${count} that ${path} repeats of ${keeper}`;
  note(
    run.diagnostics,
    'qemu-events-twice',
    'info',
    `events of QEMU were left out so that each counts once, as two trace back ends wrote the same ones (events, values and order agree): ${count} that ${path} repeats of ${keeper}`,
    count,
  );
}

/**
 * A file of QEMU's without an event in common with the first one (a trace file that was set in mid-run, a log that was
 * moved away): the clock is shifted as that of another file on the same one. Null where there is none.
 */
function alignByAnother(
  paths: readonly string[],
  input: number,
  scans: readonly Scan[],
  offsets: readonly (bigint | null)[],
  run: TraceContext,
): bigint | null {
  const { clock, timeIsNs } = scans[input];
  const other = offsets.findIndex((offset, i) => offset !== null && scans[i].clock === clock);
  if (clock === null || !timeIsNs || other < 0) return null;
  run.facts.set(
    `clock of ${paths[input]}`,
    `shifted by ${offsets[other]} ns, as ${paths[other]} on the same clock`,
  );
  return offsets[other];
}

/** Two files of QEMU's: their own events are compared where their clocks differ. Null: nothing is certain. */
function alignBackEnds(path: string, reference: Scan, other: Scan, run: TraceContext): bigint | null {
  if (reference.clock === other.clock) return null;
  const alignment =
    reference.timeIsNs && other.timeIsNs
      ? alignSequences(sampleSequence(reference.sample), sampleSequence(other.sample))
      : null;
  if (!alignment?.sure) return null;
  const { offsetNs, matched, total, spreadNs } = alignment;
  run.facts.set(
    `clock of ${path}`,
    `shifted by ${offsetNs} ns: ${matched} of ${total} events match, 80 % within ${Math.round(spreadNs)} ns`,
  );
  return offsetNs;
}

function alignQemu(path: string, reference: Scan, qemu: Scan, run: TraceContext): bigint | null {
  const byExits = alignSequences(reference.sequence, qemu.sequence);
  // Markers of QEMU's ftrace back end are the very events.
  const byMarkers = byExits?.sure
    ? null
    : alignSequences(sampleSequence(reference.sample), sampleSequence(qemu.sample));
  const alignment = byMarkers?.sure ? byMarkers : (byExits ?? byMarkers);
  const what = alignment === byExits ? 'exits' : 'events';
  const sameName = reference.clock !== null && reference.clock === qemu.clock;
  // A regular guest fits at many offsets. One clock on both sides, and fitting there, is certain all the same.
  const unshifted = sameName && !alignment?.sure ? matchUnshifted(reference.sequence, qemu.sequence) : null;
  if (unshifted !== null && unshifted.matched >= 0.9 * unshifted.total) {
    run.facts.set(`clock of ${path}`, clockFact(0n, unshifted, 'exits'));
    return null;
  }
  if (!alignment) {
    note(
      run.diagnostics,
      'clocks-not-aligned',
      sameName ? 'info' : 'suspect',
      sameName
        ? 'the exits of QEMU and kernel could not be compared; both are on the same clock by name'
        : 'the clocks of QEMU and kernel differ and no matching exits were found: their order among each other is not certain',
    );
    return null;
  }
  const { matched, total, sure } = alignment;
  const offsetNs = alignment === byExits ? alignment.followingNs : alignment.offsetNs;
  const small = isSameClock(offsetNs);
  // Clocks of one name are not shifted by what is merely likely.
  const stays = sameName && !sure && !small;
  run.facts.set(
    `clock of ${path}`,
    stays
      ? `not shifted, as both are called ${qemu.clock}; ${matched} of ${total} ${what} would match if shifted by ${offsetNs} ns`
      : `${clockFact(offsetNs, alignment, what)}${sure ? '' : ', not certain'}`,
  );
  if (sameName && !small)
    note(
      run.diagnostics,
      'clocks-disagree',
      'suspect',
      `both clocks are called ${qemu.clock}, but the exits lie ${offsetNs} ns apart: these may be different runs`,
    );
  if (!sure)
    note(
      run.diagnostics,
      'clock-offset-uncertain',
      'suspect',
      matched < 0.9 * total
        ? `only ${matched} of ${total} ${what} of QEMU have their kernel event at the offset found`
        : `${matched} of ${total} ${what} of QEMU have their kernel event at the offset found, but another offset fits nearly as well`,
    );
  // A small offset is the delay between the two events.
  return small || stays ? null : offsetNs;
}

function isSameClock(offsetNs: bigint): boolean {
  return offsetNs < SAME_CLOCK_NS && offsetNs > -SAME_CLOCK_NS;
}

function clockFact(
  offsetNs: bigint,
  { matched, total, spreadNs }: Pick<Alignment, 'matched' | 'total' | 'spreadNs'>,
  what: string,
): string {
  return `${isSameClock(offsetNs) ? "same as the kernel's" : `shifted by ${offsetNs} ns`}: ${matched} of ${total} ${what} match, 80 % within ${Math.round(spreadNs)} ns`;
}

function alignKernel(path: string, reference: Scan, other: Scan, run: TraceContext): null {
  if (reference.clock !== other.clock && reference.clock !== null && other.clock !== null)
    noteClocks(path, reference, other, run);
  return null;
}

function noteClocks(path: string, reference: Scan, other: Scan, run: TraceContext): null {
  note(
    run.diagnostics,
    'clocks-differ',
    'suspect',
    `inputs are on different clocks (${reference.clock}, ${other.clock} in ${path}): their order among each other is not certain`,
  );
  return null;
}

/** Reads an input for its clock, its exits to user space and QEMU's events only. */
function scan(path: string, input: OpenedInput, dictionary: TraceContext, options: ReadOptions): Scan {
  // A scan counts nothing: the real pass will.
  const context = createInputContext({ ...createTraceContext(), events: dictionary.events });
  const sequence = createExitSequence(isQemu(input) ? 'qemu' : 'kernel');
  const sample = createQemuSample(isQemu(input));
  const exits = createExitSample();
  for (const batch of input.format.parse(input.source, context, {
    ...traceEventsOf(path, input, options),
    coreOnly: true,
  })) {
    addToSample(sample, batch);
    addToExitSample(exits, batch);
    if (!addToSequence(sequence, batch)) break;
  }
  return { clock: context.clock, timeIsNs: context.timeIsNs, sequence, sample, exits };
}
