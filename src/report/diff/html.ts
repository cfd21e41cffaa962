/** A comparison as one HTML file that loads nothing and needs no script. */
import { createHash } from 'node:crypto';
import { contentText, markup, prose, trusted } from '../html/markup.ts';
import { reproduction } from '../html/reproduce.ts';
import { STYLE } from '../html/style.ts';
import { sharedTable } from '../html/table.ts';
import type { DiffModel } from './model.ts';
import type { DiffRenderOptions } from './renderers.ts';
import {
  changeLines,
  comparesQemuOnly,
  legendOf,
  qemuTable,
  reasonsTable,
  sidesTable,
  summaryOf,
  userspaceTable,
} from './tables.ts';

export function render(model: DiffModel, { rows }: Pick<DiffRenderOptions, 'rows'>): string {
  const hash = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;
  const title = 'KVM exits: what changed';
  const ok = model.before.trust.ok && model.after.trust.ok;
  const changes = changeLines(model);
  const legend = markup`<p class="note">${prose(legendOf(model))}</p>`;
  const qemuOnly = comparesQemuOnly(model);
  const shown = rows > 0 ? changes.slice(0, rows) : changes;
  return contentText(markup`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${trusted(hash)}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><meta name="generator" content="kvmtrace ${model.tool.version}">
<title>${title}</title><style>${trusted(STYLE)}</style></head><body>
<header><h1>${title}</h1><p class="lead">${prose(summaryOf(model))}</p></header>
<main>
<section aria-label="Recordings"><p class="trust ${ok ? 'fine' : 'doubt'}" role="status"><strong>${
    ok ? '✓ Complete' : '⚠ Read with care'
  }</strong>: before: ${model.before.trust.reasons.join('; ')}; after: ${model.after.trust.reasons.join('; ')}.</p>${sharedTable(
    'Recordings',
    sidesTable(model),
  )}${model.selection && markup`<p>Only ${model.selection.filters.join('; ')}.</p>`}</section>
${
  !qemuOnly &&
  markup`<section aria-labelledby="h-reasons"><h2 id="h-reasons">Exits by reason, by change of cost</h2>${
    model.reasons.length === 0
      ? markup`<p>None recorded.</p>`
      : sharedTable('Exits by reason', reasonsTable(model, rows))
  }${legend}</section>`
}
${
  shown.length > 0 &&
  markup`<section aria-labelledby="h-changes"><h2 id="h-changes">What changed</h2><ul class="plain">${shown.map(
    ({ name, words }) => markup`<li><b>${name}</b>: ${prose(words)}</li>`,
  )}</ul>${changes.length > shown.length && markup`<p class="note">… and ${changes.length - shown.length} more: --rows 0, --format csv and --format json have them.</p>`}</section>`
}
${
  model.userspace.length > 0 &&
  markup`<section aria-labelledby="h-user"><h2 id="h-user">Escalations to user space</h2>${sharedTable(
    'Escalations to user space',
    userspaceTable(model, rows),
  )}</section>`
}
${
  model.qemu.length > 0 &&
  markup`<section aria-labelledby="h-qemu"><h2 id="h-qemu">QEMU's side</h2>${sharedTable(
    "QEMU's side",
    qemuTable(model, rows),
  )}${qemuOnly && legend}</section>`
}
${
  model.notes.length > 0 &&
  markup`<section aria-labelledby="h-notes"><h2 id="h-notes">Notes</h2><ul class="plain">${model.notes.map(
    (note) => markup`<li>${prose(note)}</li>`,
  )}</ul></section>`
}
<section aria-labelledby="h-reproduce"><h2 id="h-reproduce">How to reproduce</h2>${reproduction(model.reproduce, model.tool)}</section>
</main>
<footer>Made offline by kvmtrace ${model.tool.version}. This page loads nothing.</footer></body></html>
`);
}
