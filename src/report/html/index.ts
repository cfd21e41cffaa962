/**
 * The report as one HTML file that is opened from a ticket: nothing is loaded, from this machine or any other, and
 * the page's own policy forbids it. Style and script are allowed by their hashes; no other can run.
 */
import { createHash } from 'node:crypto';
import type { ReportModel } from '../model.ts';
import type { RenderOptions } from '../renderers.ts';
import { holdsQemuOnly } from '../verdict-words.ts';
import { contentText, type Markup, markup, trusted } from './markup.ts';
import { partsOf } from './parts.ts';
import { pageTitle, recorded } from './recorded.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

/** A ticket system takes this, and a browser shows it at once. */
export const LARGEST_BYTES = 300 * 1024;

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** `default-src 'none'` covers images, fonts, connections, frames, workers and objects. */
function policy(): string {
  return `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; base-uri 'none'; form-action 'none'`;
}

function page(model: ReportModel, rows: number): Markup {
  const title = pageTitle(model);
  const parts = partsOf(model).flatMap((part) => {
    const content = part.render(model, { rows });
    return content === null ? [] : [{ ...part, content }];
  });
  return markup`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy())}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><meta name="generator" content="kvmtrace ${model.tool.version}">
<title>${title}</title><style>${trusted(STYLE)}</style></head><body>
<header><h1>${title}</h1><p class="lead">Report of kvmtrace ${model.tool.version}: ${holdsQemuOnly(model) ? 'what KVM_RUN returned to QEMU with, and how long QEMU took' : "time from each KVM exit to the guest's next entry"}</p>
<nav aria-label="Parts">${parts.map(({ id, title: name }) => markup`<a href="#${id}">${name}</a> `)}</nav></header>
<main>
${recorded(model, rows)}
${parts.map(
  ({ id, title: name, content }) =>
    markup`<section id="${id}" aria-labelledby="h-${id}"><h2 id="h-${id}">${name}</h2>${content}</section>\n`,
)}</main>
<footer>Made offline by kvmtrace ${model.tool.version}. This page loads nothing.</footer>
<script>${trusted(SCRIPT)}</script></body></html>
`;
}

/** Tables are cut until the page is small enough; each says how many rows it leaves out. */
export function render(model: ReportModel, options: Pick<RenderOptions, 'rows'>): string {
  let rows = options.rows;
  for (;;) {
    const text = contentText(page(model, rows));
    if (Buffer.byteLength(text) <= LARGEST_BYTES || rows === 1) return text;
    rows = rows === 0 ? 400 : Math.max(1, Math.floor(rows / 2));
  }
}
