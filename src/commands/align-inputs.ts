/**
 * Several inputs of one run on one clock. Inputs whose clocks have the same name are taken as they are; a QEMU trace on
 * another clock than the kernel's is shifted by the offset that its exits to user space show.
 */
import {
  addToSequence,
  alignSequences,
  createExitSequence,
  type ExitSequence,
} from '../capture/clock-align.ts';
import { createInputContext } from '../capture/combine-contexts.ts';
import { note } from '../core/diagnostics.ts';
import { UsageError } from '../core/errors.ts';
import { createTraceContext, type TraceContext } from '../core/trace-context.ts';
import type { OpenedInput } from '../parsers/open-input.ts';
import { traceEventsOf } from './event-stream.ts';
import type { ReadOptions } from './options.ts';

const QEMU_FORMATS = new Set(['simpletrace', 'qemu-log']);
/** Offsets below this are the same clock: the two events of an exit are about 1 µs apart. */
const SAME_CLOCK_NS = 100_000n;

/** Whether an input was written by QEMU, not by the kernel. */
export function isQemu(input: OpenedInput): boolean {
  return QEMU_FORMATS.has(input.format.id);
}

interface Scan {
  readonly clock: string | null;
  readonly timeIsNs: boolean;
  readonly sequence: ExitSequence;
}

/** ns to add to each input's times; null where nothing is to be done. Says in the run's facts what was found. */
export async function alignClocks(
  paths: readonly string[],
  inputs: readonly OpenedInput[],
  run: TraceContext,
  options: ReadOptions,
): Promise<(bigint | null)[]> {
  const offsets = inputs.map((): bigint | null => null);
  const kernel = inputs.findIndex((input) => !isQemu(input));
  const others = inputs.map((_, i) => i).filter((i) => kernel >= 0 && i !== kernel);
  if (others.length === 0) return offsets;
  for (const [i, input] of inputs.entries())
    if (!input.source.seekable)
      throw new UsageError(
        `${paths[i]} cannot be read twice, which several inputs need`,
        'save it to a file first',
      );
  const reference = scan(paths[kernel], inputs[kernel], options);
  for (const i of others) {
    const other = scan(paths[i], inputs[i], options);
    if (!other.timeIsNs || !reference.timeIsNs)
      throw new UsageError(
        `${other.timeIsNs ? paths[kernel] : paths[i]} has no times that could be merged with another input`,
        'report on each input alone',
      );
    offsets[i] = isQemu(inputs[i])
      ? alignQemu(paths[i], reference, other, run)
      : alignKernel(paths[i], reference, other, run);
  }
  return offsets;
}

function alignQemu(path: string, reference: Scan, qemu: Scan, run: TraceContext): bigint | null {
  const alignment = alignSequences(reference.sequence, qemu.sequence);
  const sameName = reference.clock !== null && reference.clock === qemu.clock;
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
  const { offsetNs, matched, total, spreadNs, sure } = alignment;
  const small = offsetNs < SAME_CLOCK_NS && offsetNs > -SAME_CLOCK_NS;
  run.facts.set(
    `clock of ${path}`,
    `${small ? "same as the kernel's" : `shifted by ${offsetNs} ns`}: ${matched} of ${total} exits match, 80 % within ${Math.round(spreadNs)} ns${sure ? '' : ', not certain'}`,
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
        ? `only ${matched} of ${total} exits of QEMU have their kernel event at the offset found`
        : `${matched} of ${total} exits of QEMU have their kernel event at the offset found, but another offset fits nearly as well`,
    );
  // Clocks of one name are not shifted: what is left is the delay between the two events.
  return small || (sameName && !sure) ? null : offsetNs;
}

function alignKernel(path: string, reference: Scan, other: Scan, run: TraceContext): null {
  if (reference.clock !== other.clock && reference.clock !== null && other.clock !== null)
    note(
      run.diagnostics,
      'clocks-differ',
      'suspect',
      `inputs are on different clocks (${reference.clock}, ${other.clock} in ${path}): their order among each other is not certain`,
    );
  return null;
}

/** Reads an input for its clock and its exits to user space only. */
function scan(path: string, input: OpenedInput, options: ReadOptions): Scan {
  // A scan counts nothing: the real pass will.
  const context = createInputContext(createTraceContext());
  const sequence = createExitSequence(isQemu(input) ? 'qemu' : 'kernel');
  for (const batch of input.format.parse(input.source, context, {
    ...traceEventsOf(path, input, options),
    coreOnly: true,
  }))
    if (!addToSequence(sequence, batch)) break;
  return { clock: context.clock, timeIsNs: context.timeIsNs, sequence };
}
