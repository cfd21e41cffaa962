/** Where the time goes: a few figures, sentences, the costliest reasons. */

import { formatCount, formatNs, formatPct } from '../../core/units.ts';
import type { ReportModel } from '../model.ts';
import { VERDICT_TITLE } from '../verdict-words.ts';
import { type Markup, markup, prose } from './markup.ts';
import type { Part } from './part.ts';

function tile(value: string, what: string): Markup {
  return markup`<div class="tile"><b>${value}</b><span>${what}</span></div>`;
}

function tiles({ verdict, totals, busyTotals }: ReportModel): Markup {
  const head = verdict!.headline;
  const list = [
    tile(
      formatCount(totals.exits),
      head.exitsPerSecond === null
        ? 'exits'
        : `exits, ${formatCount(Math.round(head.exitsPerSecond))} per second`,
    ),
    tile(
      head.busyNs === null ? 'not recorded' : formatNs(head.busyNs),
      head.busyPct === null
        ? 'in exits, without idling'
        : `in exits, without idling: ${formatPct(head.busyPct)} of the threads' time`,
    ),
    tile(
      head.escalatedPct === null ? 'not recorded' : formatPct(head.escalatedPct),
      head.escalatedPct === null ? 'escalation to user space' : 'of the exits went on to user space',
    ),
  ];
  if (busyTotals.p99Ns !== null)
    list.push(
      tile(
        formatNs(busyTotals.p99Ns),
        `99th percentile, without idling; longest ${formatNs(busyTotals.maxNs)}`,
      ),
    );
  return markup`<div class="tiles">${list}</div>`;
}

export const verdictPart: Part = {
  id: 'verdict',
  title: VERDICT_TITLE,
  render: (model) => {
    const { verdict } = model;
    if (!verdict) return null;
    return markup`${model.totals.exits > 0 && tiles(model)}<p>${prose(verdict.summary.join(' '))}</p>${
      verdict.findings.length > 0 &&
      markup`<ol class="findings">${verdict.findings.map(
        ({ title, text }) => markup`<li><b>${prose(title)}</b><p>${prose(text)}</p></li>`,
      )}</ol>`
    }`;
  },
};
