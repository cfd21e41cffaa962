/** Section `context`: what happened during each of the slowest exits. */
import type { ContextResult, ContextRow } from '../analysis/context.ts';
import { directionOf } from '../analysis/detail-key.ts';
import { HEAD_EVENTS } from '../analysis/thread-window.ts';
import { type EventBatch, F_ADDRESS, F_ARG0, F_CODE, NO_CPU } from '../core/event-batch.ts';
import {
  EV_HALT_POLL_NS,
  EV_RUN_EXIT,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_SCHED_WAKING,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
} from '../core/events.ts';
import { formatCount, formatNs, formatOffset, plural } from '../core/units.ts';
import { diffWords, wordsToBigInt, wordsToHex } from '../core/words.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { foreign, left, plain, right, tableOf, time } from './cells.ts';
import { detailAddress, detailKind, detailName, directionName, hasArmGuests } from './detail-names.ts';
import type { ReportModel, SlowModel } from './model.ts';
import { latencyGap, whyUnknown } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';

export interface ContextEventModel {
  /** Since the exit, ns. */
  offsetNs: number;
  cpu: number | null;
  /** Thread that recorded it: another one where it woke or replaced this one. */
  tid: number | null;
  name: string;
  /** Key values in words: `read 0xfee00390 LAPIC TMCCT`, `KVM_EXIT_IO`; null: nothing recorded. */
  values: string | null;
}

export interface ContextModel {
  /** False: no exits or no entries, or a clock without unit. */
  known: boolean;
  /** sched_switch was recorded: `ran` is known. */
  schedKnown: boolean;
  /** Of the slow list, in its order. */
  exits: {
    exitNs: bigint;
    tid: number;
    /** Index in `slow`. */
    slow: number;
    events: ContextEventModel[];
    /** Events left out after the first of them. */
    omitted: number;
    /** Threads that ran on its CPU while it was switched out; null: not recorded. */
    ran: { tid: number; comm: string | null; ns: number }[] | null;
    ranOtherNs: number;
    offCpuNs: number | null;
    switches: number | null;
  }[];
  /** Slow exits whose events were not kept. */
  missing: number;
}

function build({ context, analysis, model }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.context as ContextResult | undefined;
  if (result === undefined) return null;
  const slowAt = new Map(
    model.slow.map((row, index) => [`${row.tid} ${row.exitNs} ${row.latencyNs}`, index]),
  );
  const comm = (tid: number) => (tid === 0 ? 'idle' : (context.threads.byTid.get(tid)?.comm ?? null));
  const isArm = hasArmGuests(model.capture);
  const exits: ContextModel['exits'] = [];
  for (const row of result.rows) {
    const exitNs = wordsToBigInt(row.exitTime[0], row.exitTime[1]);
    const slow = slowAt.get(`${row.tid} ${exitNs} ${row.latency}`);
    if (slow === undefined) continue;
    exits.push({
      exitNs,
      tid: row.tid,
      slow,
      events: eventModels(row, context, isArm),
      omitted: row.omitted,
      ran: result.schedSeen ? row.ran.map(({ tid, ns }) => ({ tid, comm: comm(tid), ns })) : null,
      ranOtherNs: row.ranOtherNs,
      offCpuNs: result.schedSeen ? row.offCpuNs : null,
      switches: result.schedSeen ? row.switches : null,
    });
  }
  exits.sort((a, b) => a.slow - b.slow);
  return {
    context: {
      known: latencyGap({ context, analysis }) === null,
      schedKnown: result.schedSeen,
      exits,
      missing: model.slow.length - exits.length,
    },
  };
}

function eventModels(
  { events, exitTime }: ContextRow,
  context: SectionInput['context'],
  isArm: boolean,
): ContextEventModel[] {
  return Array.from({ length: events.length }, (_, row) => ({
    offsetNs: diffWords(events.time[2 * row], events.time[2 * row + 1], exitTime[0], exitTime[1]),
    cpu: events.cpu[row] === NO_CPU ? null : events.cpu[row],
    tid: events.tid[row] < 0 ? null : events.tid[row],
    name: context.events.names[events.event[row]] || '(unnamed)',
    values: valuesOf(events, row, isArm, context),
  }));
}

/** The values that matter, by kind of event; hex of what there is for events that we know nothing of. */
function valuesOf(
  events: EventBatch,
  row: number,
  isArm: boolean,
  context: SectionInput['context'],
): string | null {
  const event = events.event[row];
  const fields = events.fields[row];
  const low = events.address[2 * row];
  const high = events.address[2 * row + 1];
  const argument = () => wordsToBigInt(events.arg0[2 * row], events.arg0[2 * row + 1]);
  const thread = (tid: number) =>
    tid === 0 ? 'idle' : `${context.threads.byTid.get(tid)?.comm ?? 'thread'} (${tid})`;
  switch (event) {
    case EV_USERSPACE_EXIT: {
      const errno = fields & F_ARG0 ? Number(argument()) : 0;
      if (errno < 0) return errno === -4 ? 'restart' : `error ${-errno}`;
      return fields & F_CODE ? userspaceExitName(events.code[row]) : null;
    }
    case EV_RUN_EXIT:
      return fields & F_CODE ? userspaceExitName(events.code[row]) : null;
    case EV_SCHED_SWITCH:
      return fields & F_ADDRESS ? `to ${thread(low | 0)}` : null;
    case EV_SCHED_WAKEUP:
    case EV_SCHED_WAKING:
      return fields & F_ADDRESS ? `wakes ${thread(low | 0)}` : null;
    case EV_VCPU_WAKEUP:
      return fields & F_ARG0 ? `${events.code[row] ? 'blocked' : 'polled'} ${formatNs(argument())}` : null;
    case EV_HALT_POLL_NS:
      return fields & F_ARG0 ? `now ${formatNs(argument())}` : null;
    default: {
      if ((fields & F_ADDRESS) === 0) return fields & F_ARG0 ? String(argument()) : null;
      const kind = detailKind(event);
      const what = kind === 'none' ? null : detailName(kind, low, high, isArm);
      const direction = directionName(directionOf(event, fields & F_CODE ? events.code[row] : 0));
      const value =
        fields & F_ARG0 && direction !== null
          ? `= ${wordsToHex(events.arg0[2 * row], events.arg0[2 * row + 1])}`
          : null;
      return [direction, detailAddress(low, high), what, value].filter((part) => part !== null).join(' ');
    }
  }
}

function headline(slow: SlowModel, model: ReportModel): string {
  const at = formatOffset(slow.exitNs, model.capture.firstNs);
  return `${slow.name}, ${formatNs(slow.latencyNs)} at ${at} s, vCPU ${slow.vcpu ?? '-'}, tid ${slow.tid}:`;
}

function ranSentence(exit: ContextModel['exits'][number]): string[] {
  if (exit.ran === null) return [];
  if (exit.switches === 0) return ['It stayed on its CPU.'];
  const ran = exit.ran.map(({ tid, comm, ns }) => `${comm ?? 'thread'} (${tid}) ${formatNs(ns)}`);
  const other = exit.ranOtherNs > 0 ? [`others ${formatNs(exit.ranOtherNs)}`] : [];
  return [
    `Switched out ${plural(exit.switches ?? 0, 'time')} for ${formatNs(exit.offCpuNs)}${ran.length ? `; meanwhile on its CPU: ${[...ran, ...other].join(', ')}` : ''}.`,
  ];
}

/** Events of an exit that a report for people shows at most. */
const MAX_EVENTS = 30;

function blocks(model: ReportModel, _rows: number, asked: boolean): Block[] {
  const { context } = model;
  if (!context || !asked) return [];
  const title = 'During the slowest exits';
  if (context.exits.length === 0) {
    const sentence = context.known
      ? 'No slow exit to show.'
      : whyUnknown(model.capture.timeIsNs, 'kvm_exit and kvm_entry');
    return [{ title, sentences: [sentence], table: null }];
  }
  const note = context.schedKnown
    ? []
    : ['sched_switch was not recorded: who else ran on the CPU is unknown.'];
  return [
    { title, sentences: note, table: null },
    ...context.exits.map((exit): Block => {
      const slow = model.slow[exit.slow];
      const omitted =
        exit.omitted > 0
          ? [
              `${formatCount(exit.omitted)} events between the first ${HEAD_EVENTS} and the last are left out.`,
            ]
          : [];
      return {
        title: null,
        sentences: [
          headline(slow, model),
          ...ranSentence(exit),
          ...(exit.events.length ? [] : ['No event in between.']),
          ...omitted,
        ],
        table:
          exit.events.length === 0
            ? null
            : tableOf(
                [
                  right('after'),
                  right('CPU'),
                  left('event', { shrinkTo: 16 }),
                  left('values', { shrinkTo: 20 }),
                ],
                exit.events,
                MAX_EVENTS,
                (event) => [
                  time(event.offsetNs),
                  plain(event.cpu),
                  event.tid === exit.tid ? foreign(event.name) : foreign(`${event.name} [by ${event.tid}]`),
                  foreign(event.values),
                ],
              ),
      };
    }),
  ];
}

export const contextSection: Section = {
  id: 'context',
  byDefault: false,
  requests: ({ slowLimit, thanNs, includeIdle }) => [
    { name: 'context', options: { slowLimit, thanNs, includeIdle } },
  ],
  build,
  blocks,
  csv: {
    context: (model) => ({
      headers: ['exitNs', 'tid', 'offsetNs', 'cpu', 'eventTid', 'name', 'values'],
      rows: (model.context?.exits ?? []).flatMap((exit) =>
        exit.events.map((event) => [
          exit.exitNs,
          exit.tid,
          event.offsetNs,
          event.cpu,
          event.tid,
          event.name,
          event.values,
        ]),
      ),
    }),
  },
};
