/** Findings with the numbers behind them and what is known to help. */
import { shareOf } from '../advice/section.ts';
import type { ReportModel } from '../model.ts';
import { markup, prose } from './markup.ts';
import type { Part } from './part.ts';

export const advicePart: Part = {
  id: 'advice',
  title: 'What is known to help',
  render: (model: ReportModel) => {
    const { advice } = model;
    return !advice || advice.length === 0
      ? null
      : markup`${shareOf(model).map((words) => markup`<p class="note">${words}</p>`)}<ol class="findings">${advice.map(
          ({ title, evidence, fix, reference }) =>
            markup`<li><b>${title}</b><p>${evidence.map((words, i) => markup`${i > 0 && ' '}${prose(words)}`)}</p><p class="fix"><span class="tag">known to help</span>${prose(fix)}</p><p class="note">${reference}</p></li>`,
        )}</ol>`;
  },
};
