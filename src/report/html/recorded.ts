/** Top of the page: what was recorded, and in one line how far to trust it, with the details to open. */

import { formatCount, formatNs, plural } from '../../core/units.ts';
import { byCount } from '../event-order.ts';
import { captureFacts, type Fact, qualityCounters, recordingFacts } from '../facts.ts';
import type { ReportModel } from '../model.ts';
import { holdsExits } from '../recorded.ts';
import { assessTrust } from '../trust.ts';
import { type Markup, markup, prose } from './markup.ts';
import { countCell, htmlTable, textCell } from './table.ts';

/** Title of the page, of our own words and the host's name. */
export function pageTitle(model: ReportModel): string {
  const { capture, totals, vcpus, qemu } = model;
  const where = capture.host === null ? '' : ` on ${capture.host}`;
  const during = capture.durationNs === null ? '' : ` in ${formatNs(capture.durationNs)}`;
  const who = vcpus.length === 0 ? '' : ` of ${plural(vcpus.length, 'vCPU')}`;
  const what =
    qemu && !holdsExits(model)
      ? plural(qemu.exits, 'return of KVM_RUN', 'returns of KVM_RUN')
      : plural(totals.exits, 'KVM exit');
  return `${what}${who}${where}${during}`;
}

function factList(facts: readonly Fact[]): Markup {
  return markup`<dl class="facts">${facts.map(
    ({ key, parts }) => markup`<dt>${key}</dt><dd>${parts.map((part) => part.text)}</dd>`,
  )}</dl>`;
}

function trustLine(model: ReportModel): Markup {
  const { ok, reasons } = assessTrust(model);
  return markup`<p class="trust ${ok ? 'fine' : 'doubt'}" role="status"><strong>${ok ? '✓ Complete' : '⚠ Read with care'}</strong>: ${reasons.join('; ')}.</p>`;
}

const TAGS = { info: 'info', suspect: 'warning', 'data-loss': 'loss' } as const;

function warnings({ quality, notes }: ReportModel): Markup | null {
  if (quality.warnings.length + notes.length === 0) return null;
  return markup`<ul class="plain">${quality.warnings.map(
    ({ code, severity, message, count }) =>
      markup`<li><span class="tag ${severity}">${TAGS[severity] ?? 'warning'}</span>${prose(message)} <span class="dim">[${code}${count > 1 && `, ${formatCount(count)} times`}]</span></li>`,
  )}${notes.map((note) => markup`<li><span class="tag">note</span>${prose(note)}</li>`)}</ul>`;
}

function qualityTable({ quality, capture }: ReportModel): Markup {
  return htmlTable(
    'Quality of the data',
    [{ title: 'counter' }, { title: 'count', number: true }, { title: 'meaning', wrap: true }],
    qualityCounters(quality, capture).map(({ label, value, meaning }) => [
      textCell(label),
      value === null ? textCell('unknown') : countCell(value),
      textCell(meaning),
    ]),
  );
}

function eventTable({ capture }: ReportModel, rows: number): Markup | null {
  const events = byCount(capture.events);
  if (events.length === 0) return null;
  const shown = rows > 0 ? events.slice(0, rows) : events;
  return markup`<details><summary>Events: ${plural(events.length, 'kind')}</summary>${htmlTable(
    'Recorded events',
    [{ title: 'event' }, { title: 'count', number: true }],
    shown.map(([name, count]) => [textCell(name), countCell(count)]),
  )}${events.length > shown.length && markup`<p class="note">… and ${formatCount(events.length - shown.length)} more.</p>`}</details>`;
}

export function recorded(model: ReportModel, rows: number): Markup {
  const { ok } = assessTrust(model);
  const stated = recordingFacts(model.capture);
  return markup`<section id="recorded" aria-label="What was recorded">${trustLine(model)}
${factList(captureFacts(model.capture, model.selection))}
<details${ok ? null : markup` open`}><summary>Losses, pairing and notes</summary>${warnings(model)}${qualityTable(model)}</details>
${eventTable(model, rows)}${
  stated.length > 0 &&
  markup`<details><summary>What the file states about the recording</summary>${factList(stated)}</details>`
}</section>`;
}
