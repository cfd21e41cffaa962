/** Section `advice`: findings in words, with their numbers, what is known to help and where to read on. */
import { csvOf } from '../csv-data.ts';
import { selectsBy } from '../filters.ts';
import type { ReportModel } from '../model.ts';
import type { Section } from '../sections.ts';
import { timesTell } from './times.ts';

/** Beyond the reader's patience; --section advice and JSON have all. */
const MOST = 6;

/** Of what the shares in findings are parts, where tables show others; []: of all exits, as there. */
export function shareOf(model: ReportModel): string[] {
  if (!model.reasons.some(({ idle }) => idle)) return [];
  return [`Shares are of the exits${timesTell(model) ? ' and of their time' : ''} without idle ones.`];
}

/** What was recorded, and no rule has seen. */
function unasked(model: ReportModel): string[] {
  const { capture, ledger, haltPolling, totals } = model;
  if (totals.exits === 0 || selectsBy(model.selection, 'reason')) return [];
  const has = (event: string) => (capture.events[event] ?? 0) > 0;
  const questions = [
    ...(!ledger && has('sched_switch') ? ['whether vCPUs wait for a CPU of the host (sched_switch)'] : []),
    ...(!haltPolling && has('kvm_halt_poll_ns') ? ['what halt polling costs (kvm_halt_poll_ns)'] : []),
  ];
  return questions.length === 0
    ? []
    : [`Recorded, but not looked at yet: ${questions.join('; ')}. --section advice does.`];
}

export const adviceSection: Section = {
  id: 'advice',
  byDefault: true,
  // These cost time, so that only who asks waits for them: `unasked` tells the others.
  requests: (_options, asked) =>
    asked
      ? [
          { name: 'ledger', options: null },
          { name: 'halt-polling', options: null },
        ]
      : [],
  // Rules look at all other sections: build-model.ts asks them last.
  build: () => null,
  blocks: (model, _rows, asked) => {
    const { advice } = model;
    if (!advice) return [];
    const more = asked ? [] : unasked(model);
    if (advice.length + more.length === 0 && !asked) return [];
    const shown = asked ? advice : advice.slice(0, MOST);
    const sentences = shown.flatMap(({ title, evidence, fix, reference }, i) => [
      `${i + 1}. ${title}. ${evidence.join(' ')}`,
      `Known to help: ${fix} ${reference}`,
    ]);
    if (shown.length > 0) sentences.unshift(...shareOf(model));
    if (selectsBy(model.selection, 'reason'))
      sentences.push('Rules look at all exits together: leave out --reason for what they find.');
    else if (advice.length === 0 && asked)
      sentences.push('No rule applies: nothing that is known to cost much stands out.');
    if (advice.length > shown.length)
      sentences.push(`And ${advice.length - shown.length} more: --section advice.`);
    return [{ title: 'Findings', sentences: [...sentences, ...more], table: null }];
  },
  csv: {
    advice: ({ advice }) =>
      csvOf(
        ['id', 'title', 'evidence', 'fix', 'reference', 'ns'],
        advice?.map((row) => ({ ...row, evidence: row.evidence.join(' ') })),
      ),
  },
};
