/** Header lines of reports for people: what was recorded, where, on which clock. */

import { formatBytes, formatNs, formatNsShort, formatStamp, plural } from '../core/units.ts';
import type { CaptureModel, QualityModel, SelectionModel, WarningModel } from './model.ts';
import { affectedWords } from './trust.ts';

/** `untrusted` parts are to be escaped by the renderer, in order: text, untrusted, text … */
export interface Fact {
  readonly key: string;
  readonly parts: readonly { readonly text: string; readonly untrusted?: boolean }[];
}

const NOT_RECORDED = 'not recorded';

const text = (value: string) => ({ text: value });
const untrusted = (value: string) => ({ text: value, untrusted: true });

function joined(values: readonly (string | null)[]): Fact['parts'] {
  const known = values.filter((value) => value !== null && value !== '') as string[];
  if (known.length === 0) return [text(NOT_RECORDED)];
  return known.flatMap((value, i) => (i ? [text(', '), untrusted(value)] : [untrusted(value)]));
}

function timeFact(capture: CaptureModel): Fact {
  if (!capture.timeIsNs)
    return {
      key: 'time',
      parts: [text('clock '), ...joined([capture.clock]), text(': no known unit, no durations')],
    };
  const duration = capture.durationNs === null ? NOT_RECORDED : formatNs(capture.durationNs);
  return {
    key: 'time',
    parts: [
      text(duration + (capture.firstNs === null ? '' : ` from ${formatStamp(capture.firstNs)}`)),
      text(', clock '),
      ...joined([capture.clock]),
      ...(capture.timeResolutionNs > 1
        ? [text(`, stamps to ${formatNsShort(capture.timeResolutionNs)}`)]
        : []),
    ],
  };
}

/** Names of the kernel, with the vendor's beside them where nothing else tells whose CPU it was. */
const ISA_WORDS: Readonly<Record<string, string>> = { vmx: 'vmx (Intel VT-x)', svm: 'svm (AMD-V)' };
const isaWords = (isa: string) => ISA_WORDS[isa] ?? isa;

const FACTS_SHOWN = 12;

export function captureFacts(capture: CaptureModel, selection: SelectionModel | null): Fact[] {
  const total = Object.values(capture.events).reduce((sum, count) => sum + count, 0);
  const facts: Fact[] = capture.sources.map((source) => ({
    key: 'file',
    parts: [
      untrusted(source.path),
      text(' ('),
      untrusted(source.format),
      text(`, ${formatBytes(source.bytes)})`),
    ],
  }));
  facts.push(
    { key: 'host', parts: joined([capture.host]) },
    { key: 'kernel', parts: joined([capture.kernel ?? NOT_RECORDED, capture.arch]) },
    {
      key: 'CPU',
      parts: [
        ...joined([capture.cpuModel]),
        ...(capture.isa.length > 0
          ? [
              text('; exits of '),
              ...joined(capture.cpuModel === null ? capture.isa.map(isaWords) : capture.isa),
            ]
          : []),
      ],
    },
    timeFact(capture),
    {
      key: 'events',
      parts: [text(`${plural(total, 'event')} of ${plural(Object.keys(capture.events).length, 'kind')}`)],
    },
  );
  if (selection?.filters.length)
    facts.push({
      key: 'only',
      parts: selection.filters.flatMap((filter, i) =>
        i ? [text('; '), untrusted(filter)] : [untrusted(filter)],
      ),
    });
  return facts;
}

/** What the file itself states about the recording: recorder, command line … */
export function recordingFacts(capture: CaptureModel): Fact[] {
  const entries = Object.entries(capture.facts);
  const facts: Fact[] = entries
    .slice(0, FACTS_SHOWN)
    .map(([key, value]) => ({ key, parts: [untrusted(value)] }));
  if (entries.length > FACTS_SHOWN)
    facts.push({
      key: '…',
      parts: [text(`and ${entries.length - FACTS_SHOWN} more (--format json has all)`)],
    });
  return facts;
}

/** Diagnostics that count losses of which nothing tells where they lie, so that no row stands for them. */
export const PLACELESS: ReadonlySet<string> = new Set(['losses-without-place', 'losses-without-time']);

/** What is said where no loss has a place: `words`, unless there are others. */
export function nothingLost(warnings: readonly WarningModel[], words: string): string {
  const placeless = warnings.filter(({ code }) => PLACELESS.has(code));
  return placeless.length > 0 ? 'some, at unknown times: see the warnings' : words;
}

/** Every counter of the quality section with what it means, in the order of the accounting. */
export function qualityCounters(
  quality: QualityModel,
  capture: CaptureModel,
): { label: string; value: number | null; meaning: string }[] {
  return [
    { label: 'exits', value: quality.exits, meaning: 'recorded kvm exits' },
    { label: 'entries', value: quality.entries, meaning: 'recorded kvm entries' },
    { label: 'paired', value: quality.paired, meaning: 'exits with their entry: all times are over these' },
    {
      label: 'exit without entry',
      value: quality.exitWithoutEntry,
      meaning: 'another exit of the thread came first',
    },
    { label: 'entry without exit', value: quality.entryWithoutExit, meaning: 'its exit was not recorded' },
    { label: 'open at end', value: quality.openAtEnd, meaning: 'recording ended before the entry' },
    {
      label: 'invalidated by loss',
      value: quality.invalidatedByLoss,
      meaning: 'events were lost in between',
    },
    {
      label: 'negative latency',
      value: quality.negativeLatency,
      meaning: 'entry stamped before its exit; counts as 0',
    },
    {
      label: 'lost events',
      value: capture.lost.events,
      meaning:
        capture.lost.events === 0 && capture.lost.regions === 0
          ? nothingLost(quality.warnings, 'nothing was lost while recording')
          : `in ${plural(capture.lost.regions, 'region')}, ${affectedWords(capture.lost)} affected`,
    },
  ];
}
