/** The slowest exits. */

import { formatCount, formatNsShort } from '../../core/units.ts';
import { whyNoneSlow } from '../recorded.ts';
import { slowTable } from '../tables.ts';
import { markup } from './markup.ts';
import { limited, type Part } from './part.ts';
import { sectionBlocks } from './sections.ts';
import { sharedTable } from './table.ts';

/** Slow exits on the page whatever --rows says: with --than the list may hold a thousand. */
const MOST = 100;
/** Exits whose events are shown: --section context has all. */
const MOST_CONTEXTS = 20;

export const slowPart: Part = {
  id: 'slow',
  title: 'Slowest exits',
  render: (model, options) => {
    const { rows } = options;
    const { slowSelection: selection, slow } = model;
    const over = selection.thanNs > 0 ? `longer than ${formatNsShort(selection.thanNs)}` : 'by latency';
    const idle = selection.includesIdle ? '' : ', idle ones left out';
    const intro = `${selection.thanNs > 0 ? 'Exits' : 'All exits'} ${over}${idle}: ${formatCount(selection.qualified)}${slow.length < (selection.qualified ?? 0) ? `, of which the ${formatCount(slow.length)} longest` : ''}. Times count from the first event, as --from and --to take them.`;
    if (slow.length === 0)
      return selection.thanNs > 0 && model.totals.totalNs !== null
        ? markup`<p>Exits ${over}${idle}: ${whyNoneSlow(model)}</p>`
        : markup`<p>${whyNoneSlow(model)}</p>`;
    const { shown, hidden } = limited(slow, rows > 0 ? Math.min(MOST, rows) : MOST);
    const exits =
      model.context?.exits.slice(0, rows > 0 ? Math.min(MOST_CONTEXTS, rows) : MOST_CONTEXTS) ?? [];
    const context = model.context && { ...model, context: { ...model.context, exits } };
    return markup`<p class="note">${intro}</p>${sharedTable('Slowest exits', { ...slowTable({ ...model, slow: [...shown] }), hidden })}${context && markup`<details><summary>What happened during the slowest exits</summary>${sectionBlocks(context, 'context', options)}</details>`}`;
  },
};
