/** From the words of the command line to ReportOptions: every word checked before any input is opened. */
import { availableParallelism } from 'node:os';
import { LEVEL_L1, LEVEL_L2, LEVEL_L2_REFLECTED } from '../analysis/exit-batch.ts';
import { UsageError } from '../core/errors.ts';
import { readTraceEventsFile } from '../parsers/simpletrace/find-events.ts';
import type { Filter } from '../report/filters.ts';
import type { FilterKind, GroupKey } from '../report/model.ts';
import { ALL_SECTIONS, SECTION_IDS } from '../report/section-ids.ts';
import { sectionRequests } from '../report/sections.ts';
import type { ViewRequest } from '../report/views/view.ts';
import { VIEW_NAMES } from '../report/views/view-names.ts';
import type { Filters, ReasonSelector, ReportOptions, TimeBound, UnknownReason } from './options.ts';
import { parseDuration, parseTimeBound } from './parse-duration.ts';
import { parseCount, parseNumberList, parseWordList } from './parse-lists.ts';
import { readSymbolFile } from './read-symbol-file.ts';

/** The options as commander hands them over: text, or lists of text where an option may be repeated. */
export interface RawReportOptions {
  pid?: string[];
  tid?: string[];
  vcpu?: string[];
  cpu?: string[];
  reason?: string[];
  exclude?: string[];
  level?: string[];
  from?: string;
  to?: string;
  by?: string[];
  than?: string;
  slow?: string;
  withIdle?: boolean;
  traceEvents?: string;
  jobs?: string;
  section?: string[];
  guestSymbols?: string;
  view?: string;
  interval?: string;
}

/** Highest thread number that Linux gives out (PID_MAX_LIMIT on 64-bit kernels). */
const MAX_TID = 4194304;
/** Highest CPU number that an event batch can hold. */
const MAX_CPU = 65534;
/** Well above KVM_MAX_VCPU_IDS of every kernel. */
const MAX_VCPU = 65535;

const DEFAULT_SLOW = 10;
/** With --than everybody over the threshold is wanted; still bounded, as memory is. */
const SLOW_OVER_THRESHOLD = 1000;

export const LEVELS = {
  L1: [LEVEL_L1],
  L2: [LEVEL_L2, LEVEL_L2_REFLECTED],
  'L2-reflected': [LEVEL_L2_REFLECTED],
} as const;
export const GROUP_KEYS: readonly GroupKey[] = ['vm', 'vcpu', 'tid', 'cpu', 'level', 'reason'];

/** Runs a parser; what it refuses is reported with the option's name. */
export function option<V, T>(name: string, value: V | undefined, absent: T, parse: (value: V) => T): T {
  if (value === undefined) return absent;
  try {
    return parse(value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message}`, error.hint);
    throw error;
  }
}

/** Reasons of an option; names that no table has are added to `unknown`. */
async function reasonList(
  name: '--reason' | '--exclude',
  values: string[] | undefined,
  unknown: UnknownReason[],
): Promise<ReasonSelector[] | null> {
  if (values === undefined) return null;
  const { parseReasonList } = await import('./parse-reasons.ts');
  const list = option(name, values, { selectors: [], unknown: [] }, parseReasonList);
  unknown.push(...list.unknown.map((text) => ({ name: text, option: name })));
  return list.selectors;
}

function words(raw: RawReportOptions): Filter[] {
  const list = (kind: FilterKind, label: string, values?: string[]): Filter[] =>
    values ? [{ kind, words: `${label} ${values.join(',')}` }] : [];
  const bound = (label: string, text?: string): Filter[] =>
    text === undefined ? [] : [{ kind: 'time', words: `${label} ${moment(text)}` }];
  return [
    ...list('pid', 'pid', raw.pid),
    ...list('tid', 'tid', raw.tid),
    ...list('vcpu', 'vCPU', raw.vcpu),
    ...list('cpu', 'CPU', raw.cpu),
    ...list('reason', 'reason', raw.reason),
    ...list('reason', 'reason not', raw.exclude),
    ...list('level', 'level', raw.level),
    ...bound('from', raw.from),
    ...bound('to', raw.to),
  ];
}

const MOMENT_WORDS = { start: '', end: ' before the end', clock: " on the recording's clock" } as const;

function moment(text: string): string {
  const { origin } = parseTimeBound(text);
  const time = text.trim().replace(/^[-+@]/, '');
  return `${/[a-zµμ]$/.test(time) ? time : `${time} s`}${MOMENT_WORDS[origin]}`;
}

/** Whether no time is in between; false where that depends on the recording. */
function isEmptySpan(from: TimeBound, to: TimeBound): boolean {
  return from.origin === to.origin && (from.origin === 'end' ? from.ns <= to.ns : from.ns >= to.ns);
}

async function parseFilters(raw: RawReportOptions, unknown: UnknownReason[]): Promise<Filters> {
  const numbers = (name: string, what: string, max: number, values?: string[]) =>
    option<string[], number[] | null>(name, values, null, (list) => parseNumberList(list, what, max));
  const levels = option('--level', raw.level, null, (values) =>
    parseWordList(values, 'level', Object.keys(LEVELS) as (keyof typeof LEVELS)[]),
  );
  const from = option<string, TimeBound | null>('--from', raw.from, null, parseTimeBound);
  const to = option<string, TimeBound | null>('--to', raw.to, null, parseTimeBound);
  if (from && to && isEmptySpan(from, to))
    throw new UsageError(`--from ${raw.from} is not before --to ${raw.to}`);
  return {
    pids: numbers('--pid', 'process id', MAX_TID, raw.pid),
    tids: numbers('--tid', 'thread id', MAX_TID, raw.tid),
    vcpus: numbers('--vcpu', 'vCPU number', MAX_VCPU, raw.vcpu),
    cpus: numbers('--cpu', 'CPU number', MAX_CPU, raw.cpu),
    reasons: await reasonList('--reason', raw.reason, unknown),
    excludes: await reasonList('--exclude', raw.exclude, unknown),
    levels: levels && [...new Set(levels.flatMap((level) => [...LEVELS[level]]))],
    from,
    to,
    words: words(raw),
  };
}

/** Text of the file that --trace-events names, which may be gzipped. */
export function readTraceEvents(path: string | undefined): string | null {
  return path === undefined ? null : readTraceEventsFile(path);
}

/** Sections that were asked for, by name or by an option that is of use to one only. */
function parseSections(raw: RawReportOptions): string[] {
  const named = option('--section', raw.section, [] as string[], (values) =>
    parseWordList(values, 'section', [...SECTION_IDS, ALL_SECTIONS]),
  );
  return [
    ...new Set([
      ...(named.includes(ALL_SECTIONS) ? SECTION_IDS : named),
      ...(raw.guestSymbols === undefined ? [] : ['hotspots']),
      ...(raw.interval === undefined || raw.view !== undefined ? [] : ['intervals']),
    ]),
  ];
}

function parseView(
  raw: RawReportOptions,
  { pids, tids, vcpus }: Filters,
  by: readonly GroupKey[],
  thanNs: number,
): ViewRequest | null {
  if (raw.view === undefined) return null;
  const intervalNs = option('--interval', raw.interval, 0, parseDuration);
  const [name] = option('--view', raw.view, [], (text) => parseWordList([text], 'view', VIEW_NAMES));
  return { name, options: { by, pids, tids, vcpus, thanNs, intervalNs } };
}

/** Idle exits are left out unless asked for, as --reason hlt does. */
async function asksForIdle({ reasons }: Filters): Promise<boolean> {
  return reasons !== null && (await import('./parse-reasons.ts')).namesIdle(reasons);
}

function parseInterval(text: string): number {
  const ns = parseDuration(text);
  if (ns === 0) throw new UsageError(`'${text}' is no interval`, 'Longer than 0, such as 1s or 500ms.');
  return ns;
}

/** Throws UsageError naming the option. */
export async function parseReportOptions(raw: RawReportOptions): Promise<ReportOptions> {
  const unknownReasons: UnknownReason[] = [];
  const filters = await parseFilters(raw, unknownReasons);
  const slow = {
    thanNs: option('--than', raw.than, 0, parseDuration),
    slowLimit: option(
      '--slow',
      raw.slow,
      raw.than === undefined ? DEFAULT_SLOW : SLOW_OVER_THRESHOLD,
      (text) => parseCount(text),
    ),
    includeIdle: raw.withIdle === true || (await asksForIdle(filters)),
  };
  const intervalNs = option<string, number | null>('--interval', raw.interval, null, parseInterval);
  const sections = parseSections(raw);
  const by = option<string[], GroupKey[]>('--by', raw.by, [], (values) =>
    parseWordList(values, 'grouping', GROUP_KEYS),
  );
  const view = parseView(raw, filters, by, slow.thanNs);
  return {
    filters,
    ...(unknownReasons.length === 0 ? {} : { unknownReasons }),
    by,
    ...(view === null ? {} : { view }),
    ...slow,
    sections,
    intervalNs,
    passes: sectionRequests(sections, { ...slow, by, intervalNs }),
    jobs: option('--jobs', raw.jobs, availableParallelism(), (text) => parseCount(text)),
    guestSymbols: option<string, string | null>('--guest-symbols', raw.guestSymbols, null, readSymbolFile),
    traceEvents: readTraceEvents(raw.traceEvents),
  };
}
