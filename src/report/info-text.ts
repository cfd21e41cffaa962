/** `kvmtrace info` as text: what the file is, in aligned key and value lines. */

import { plainText } from '../core/plain-text.ts';
import { formatCount, plural, UNKNOWN_CELL } from '../core/units.ts';
import { byCount } from './event-order.ts';
import { captureFacts, nothingLost, recordingFacts } from './facts.ts';
import type { InfoModel } from './info-model.ts';
import { COLOR, PLAIN } from './style.ts';
import { renderTable, wrapText } from './table.ts';
import { factLines, warningLines } from './text.ts';
import { affectedWords, describeLost } from './trust.ts';

export interface InfoTextOptions {
  readonly color: boolean;
  readonly width: number | null;
  /** Most rows of a table; 0: no limit. */
  readonly rows: number;
}

const MAX_WIDTH = 100;
/** `perf record -e 'kvm:*'` switches dozens on that never come. */
const SILENT_SHOWN = 8;

export function renderInfo(model: InfoModel, options: InfoTextOptions): string {
  const style = options.color ? COLOR : PLAIN;
  const width = Math.max(40, Math.min(MAX_WIDTH, options.width ?? MAX_WIDTH));
  const { capture } = model;
  const lines = factLines([...captureFacts(capture, null), cpuFact(model), lossFact(model)], width, 0);
  const recording = recordingFacts(capture);
  if (recording.length) lines.push('', style.bold('Recording'), ...factLines(recording, width));
  lines.push('', style.bold('Events'), ...eventLines(model, width, options.rows));
  if (model.threads.length) lines.push('', style.bold('Threads'), ...threadLines(model, width, options.rows));
  if (model.warnings.length || model.notes.length) lines.push('', style.bold('Findings'));
  lines.push(...warningLines(model.warnings, width, style));
  for (const note of model.notes) {
    const [first, ...rest] = wrapText(plainText(note), width - 8);
    lines.push(`  note  ${first}`, ...rest.map((line) => `        ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

function cpuFact(model: InfoModel) {
  const { cpus } = model;
  const value = cpus === null ? 'not recorded' : cpus.length ? `${ranges(cpus)} (${cpus.length})` : 'none';
  return { key: 'CPUs', parts: [{ text: value }] };
}

/** `0-3,8`: ascending numbers as the kernel prints CPU lists. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let end = i;
    while (end + 1 < numbers.length && numbers[end + 1] === numbers[end] + 1) end++;
    parts.push(end === i ? `${numbers[i]}` : `${numbers[i]}-${numbers[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}

function lossFact(model: InfoModel) {
  const { lost } = model.capture;
  const text =
    lost.events === 0 && lost.regions === 0
      ? nothingLost(model.warnings, 'nothing')
      : `${describeLost(lost)} in ${plural(lost.regions, 'region')}, ` + `${affectedWords(lost)} affected`;
  return { key: 'lost', parts: [{ text }] };
}

function more(hidden: number): string[] {
  return hidden > 0 ? [`  … and ${formatCount(hidden)} more (--rows 0 shows all)`] : [];
}

/** Recorded events with their counts, then those that were switched on and never came. */
function eventLines(model: InfoModel, width: number, limit: number): string[] {
  const events = byCount(model.capture.events);
  const silent = (model.enabledEvents ?? []).filter((event) => !Object.hasOwn(model.capture.events, event));
  if (events.length === 0 && silent.length === 0) return ['  none'];
  const shown = limit > 0 ? events.slice(0, limit) : events;
  const lines = renderTable(
    [
      { title: '', align: 'right' },
      { title: '', align: 'left', shrinkTo: 20 },
    ],
    shown.map(([name, count]) => [formatCount(count), plainText(name)]),
    { width, indent: 2 },
  ).slice(1);
  if (silent.length) {
    const most = limit > 0 ? SILENT_SHOWN : silent.length;
    const names = silent.slice(0, most).map(plainText).join(', ');
    const rest = silent.length > most ? ` and ${silent.length - most} more (--rows 0)` : '';
    lines.push(...more(events.length - shown.length));
    lines.push(
      ...wrapText(`switched on, never recorded: ${names}${rest}`, width - 2).map((line) => `  ${line}`),
    );
    return lines;
  }
  return [...lines, ...more(events.length - shown.length)];
}

function threadLines(model: InfoModel, width: number, limit: number): string[] {
  const shown = limit > 0 ? model.threads.slice(0, limit) : model.threads;
  const id = (value: number | null) => (value === null ? UNKNOWN_CELL : String(value));
  const showVm = model.threads.some((thread) => thread.vm !== null);
  return [
    ...renderTable(
      [
        { title: 'tid', align: 'right' },
        { title: 'pid', align: 'right' },
        { title: 'vCPU', align: 'right' },
        { title: 'thread', align: 'left', shrinkTo: 12 },
        ...(showVm ? [{ title: 'VM', align: 'left' as const, shrinkTo: 10 }] : []),
        { title: 'events', align: 'right' },
        { title: 'exits', align: 'right' },
      ],
      shown.map((thread) => [
        id(thread.tid),
        id(thread.pid),
        id(thread.vcpu),
        thread.comm === null ? UNKNOWN_CELL : plainText(thread.comm),
        ...(showVm ? [thread.vm === null ? UNKNOWN_CELL : plainText(thread.vm)] : []),
        formatCount(thread.events),
        formatCount(thread.exits),
      ]),
      { width, indent: 2 },
    ),
    ...more(model.threads.length - shown.length),
  ];
}
