/** Section `advice`: findings in words, with their numbers, what is known to help and where to read on. */
import { csvOf } from '../csv-data.ts';
import type { Section } from '../sections.ts';

/** Beyond the reader's patience; --section advice and JSON have all. */
const MOST = 6;

export const adviceSection: Section = {
  id: 'advice',
  byDefault: true,
  requests: () => [],
  // Rules look at all other sections: build-model.ts asks them last.
  build: () => null,
  blocks: ({ advice }, _rows, asked) => {
    if (!advice || (advice.length === 0 && !asked)) return [];
    const shown = asked ? advice : advice.slice(0, MOST);
    const sentences = shown.flatMap(({ title, evidence, fix, reference }, i) => [
      `${i + 1}. ${title}. ${evidence.join(' ')}`,
      `Known to help: ${fix} ${reference}`,
    ]);
    if (advice.length === 0)
      sentences.push('No rule applies: nothing that is known to cost much stands out.');
    if (advice.length > shown.length)
      sentences.push(`And ${advice.length - shown.length} more: --section advice.`);
    return [{ title: 'Findings', sentences, table: null }];
  },
  csv: {
    advice: ({ advice }) =>
      csvOf(
        ['id', 'title', 'evidence', 'fix', 'reference', 'ns'],
        advice?.map((row) => ({ ...row, evidence: row.evidence.join(' ') })),
      ),
  },
};
