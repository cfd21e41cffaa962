/** Section `storms`: changes and bursts of the exit rate, exits of many vCPUs at once, beats of timers. */

import { FALSE_ALARM, type SeriesName, type StormResult } from '../analysis/storms.ts';
import { ISA_ARM64 } from '../core/isa-codes.ts';
import { wordsToBigInt } from '../core/words.ts';
import { timerRateName } from '../isa/timer-rates.ts';
import { csvOf } from './csv-data.ts';
import { type DetailKind, detailAddress, detailKind, detailName } from './detail-names.ts';
import type { ReportModel } from './model.ts';
import { reasonIdentity } from './reason-identity.ts';
import { exitsRecorded } from './recorded.ts';
import type { Section, SectionInput } from './sections.ts';
import { stormBlocks } from './storms-blocks.ts';
import { identifyThread } from './thread-identity.ts';

/** What a rate is of: all exits (`all`), one reason, or one thread. */
export interface RateOfModel {
  of: 'all' | 'reason' | 'thread';
  isa: string | null;
  code: number | null;
  name: string | null;
  tid: number | null;
  vcpu: number | null;
  comm: string | null;
}

/** Rates are exits per second; times ns on the capture's clock. */
export interface ChangeModel extends RateOfModel {
  atNs: bigint;
  before: number;
  after: number;
  /** Probability of such a split where there is no change. */
  p: number;
}

export interface BurstModel extends RateOfModel {
  fromNs: bigint;
  toNs: bigint;
  exits: number;
  perSecond: number;
  /** Median rate around it. */
  usualPerSecond: number;
}

export interface BeatModel {
  tid: number;
  vcpu: number | null;
  comm: string | null;
  isa: string;
  code: number | null;
  name: string;
  /** MSR, port or MMIO page, if that was recorded. */
  kind: DetailKind;
  address: string | null;
  what: string | null;
  hz: number;
  periodNs: number;
  /** Share (0–1) of the intervals between such exits that lie within 3 % of the period. */
  strength: number;
  intervals: number;
  /** What usually runs at this rate. */
  rateName: string | null;
}

export interface StormsModel {
  /** False: a clock without unit. */
  known: boolean;
  bucketNs: number;
  /** Rates are judged over so many buckets; from 20 on. */
  buckets: number;
  /** Probability of any change (and of any burst) told where there is none. */
  falseAlarm: number;
  changes: ChangeModel[];
  bursts: BurstModel[];
  /** null: fewer than two vCPU threads. */
  simultaneous: {
    windowNs: number;
    windows: number;
    vcpus: number;
    /** Windows in which at least so many vCPUs exited, and how many chance alone would make. */
    rows: { vcpus: number; observed: number; expected: number }[];
    /** The fullest windows. */
    top: { atNs: bigint; vcpus: number }[];
  } | null;
  beats: BeatModel[];
  /** Thread and reason pairs (with detail) that had enough exits to be judged. */
  judgedForBeats: number;
  /**
   * Exits of more threads and reasons than are told apart. They are in the rate of all exits only (`rates` counts an exit
   * once for its reason and once for its thread), in no window, and not judged for beats. `late`: of threads that changed
   * CPUs, known only after later exits of their kind, so that they make no interval of a beat.
   */
  leftOut: { rates: number; simultaneous: number; beats: number; late: number };
}

function build(input: SectionInput): Partial<ReportModel> | null {
  const { context, analysis } = input;
  const result = analysis.passes.storms as StormResult | undefined;
  if (result === undefined) return null;
  const { simultaneous, periodic } = result;
  const origin = wordsToBigInt(result.origin[0], result.origin[1]);
  const at = (ns: number) => origin + BigInt(Math.round(ns));
  const known = context.timeIsNs && exitsRecorded(input);
  const windowOrigin = wordsToBigInt(simultaneous.origin[0], simultaneous.origin[1]);
  return {
    storms: {
      known,
      bucketNs: result.bucketNs,
      buckets: result.buckets,
      falseAlarm: FALSE_ALARM,
      changes: known
        ? result.changes.map(({ atNs, before, after, p, ...of }) => ({
            ...rateOf(input, of),
            atNs: at(atNs),
            before,
            after,
            p,
          }))
        : [],
      bursts: known
        ? result.bursts.map(({ fromNs, toNs, exits, perSecond, usualPerSecond, ...of }) => ({
            ...rateOf(input, of),
            fromNs: at(fromNs),
            toNs: at(toNs),
            exits,
            perSecond,
            usualPerSecond,
          }))
        : [],
      simultaneous:
        known && simultaneous.vcpus > 1
          ? {
              windowNs: simultaneous.windowNs,
              windows: simultaneous.windows,
              vcpus: simultaneous.vcpus,
              rows: simultaneous.rows.map((row) => ({ ...row })),
              top: simultaneous.top.map(({ atNs, vcpus }) => ({
                atNs: windowOrigin + BigInt(Math.round(atNs)),
                vcpus,
              })),
            }
          : null,
      beats: known ? periodic.beats.map((beat) => buildBeat(input, beat)) : [],
      judgedForBeats: periodic.judged,
      leftOut: {
        rates: result.ignored,
        simultaneous: simultaneous.ignored,
        beats: periodic.ignored,
        late: periodic.late,
      },
    },
  };
}

function thread({ context, model }: SectionInput, tid: number) {
  const row = model.vcpus.find((vcpu) => vcpu.tid === tid);
  const { vcpu, comm } = row ?? identifyThread(context, { tid, pid: -1, vcpu: -1 });
  return { tid, vcpu, comm };
}

function rateOf(input: SectionInput, { reason, tid }: SeriesName): RateOfModel {
  return {
    of: reason !== null ? 'reason' : tid !== null ? 'thread' : 'all',
    ...(reason === null
      ? { isa: null, code: null, name: null }
      : reasonIdentity(input.context, reason.isa, reason.code)),
    ...(tid === null ? { tid, vcpu: null, comm: null } : thread(input, tid)),
  };
}

function buildBeat(input: SectionInput, beat: StormResult['periodic']['beats'][number]): BeatModel {
  const [low, high] = beat.detailAddress;
  const kind = detailKind(beat.detailEvent);
  const hz = 1e9 / beat.periodNs;
  return {
    ...thread(input, beat.tid),
    ...reasonIdentity(input.context, beat.isa, beat.code),
    kind,
    address: kind === 'none' ? null : detailAddress(low, high),
    what: kind === 'none' ? null : detailName(kind, low, high, beat.isa === ISA_ARM64),
    hz,
    periodNs: beat.periodNs,
    strength: beat.strength,
    intervals: beat.intervals,
    rateName: timerRateName(hz),
  };
}

const RATE_OF = ['of', 'isa', 'code', 'name', 'tid', 'vcpu', 'comm'] as const;

export const stormsSection: Section = {
  id: 'storms',
  byDefault: false,
  requests: () => [{ name: 'storms', options: {} }],
  build,
  blocks: stormBlocks,
  csv: {
    'rate-changes': (model) => csvOf([...RATE_OF, 'atNs', 'before', 'after', 'p'], model.storms?.changes),
    bursts: (model) =>
      csvOf([...RATE_OF, 'fromNs', 'toNs', 'exits', 'perSecond', 'usualPerSecond'], model.storms?.bursts),
    simultaneous: (model) => csvOf(['vcpus', 'observed', 'expected'], model.storms?.simultaneous?.rows),
    beats: (model) =>
      csvOf(
        [
          'tid',
          'vcpu',
          'comm',
          'isa',
          'code',
          'name',
          'kind',
          'address',
          'what',
          'hz',
          'periodNs',
          'strength',
          'intervals',
          'rateName',
        ],
        model.storms?.beats,
      ),
  },
};
