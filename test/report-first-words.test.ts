/** What a reader meets first in text and Markdown, and what findings say of their own shares. */
import { describe, expect, test } from 'vitest';
import { adviceSection } from '../src/report/advice/section.ts';
import { buildVerdict } from '../src/report/build-verdict.ts';
import { markdownText } from '../src/report/escape.ts';
import { render as markdown } from '../src/report/markdown.ts';
import type { ReportModel } from '../src/report/model.ts';
import { groupingWords } from '../src/report/tables.ts';
import { render as text } from '../src/report/text.ts';
import { assessTrust } from '../src/report/trust.ts';
import { emptyModel, plausibleModel } from './fixtures/report-models.ts';

const OPTIONS = { color: false, width: null, rows: 30, histogram: false, table: 'reasons' };
const told = (model: ReportModel): ReportModel => ({ ...model, verdict: buildVerdict(model) });
const finding = {
  id: 'x',
  title: 'Title',
  evidence: ['evidence'],
  fix: 'fix',
  reference: 'https://docs.kernel.org/a.html',
  ns: 1,
};

describe('where the time goes', () => {
  const model = told(plausibleModel());

  test('stands before the tables, the costliest reason first', () => {
    for (const report of [text(model, OPTIONS), [...markdown(model, OPTIONS)].join('')]) {
      const [title, costliest, table] = ['Where the time goes', '1. MSR', 'Exits by reason'].map((words) =>
        report.indexOf(words),
      );
      expect(title).toBeGreaterThan(0);
      expect(costliest).toBeGreaterThan(title);
      expect(table).toBeGreaterThan(costliest);
    }
  });

  test('says nothing of a recording without exits', () => {
    expect(text(told(emptyModel()), OPTIONS)).not.toContain('Where the time goes');
  });
});

test('a narrow table without the column user% explains no such column', () => {
  const [wide, narrow] = [100, 60].map((width) => text(plausibleModel(), { ...OPTIONS, width }));
  expect(wide).toContain('user%: share');
  expect(narrow).not.toContain('user%');
});

describe('findings', () => {
  const sentences = (model: ReportModel, asked: boolean) =>
    adviceSection.blocks(model, 30, asked).flatMap((block) => block.sentences);

  test('say of what their shares are, where tables show others', () => {
    const model = { ...plausibleModel(), advice: [finding] };
    const words = 'Shares are of the exits and of their time without idle ones.';
    expect(sentences(model, false)[0]).toBe(words);
    const busy = { ...model, reasons: model.reasons.filter(({ idle }) => !idle) };
    expect(sentences(busy, false)[0]).toBe('1. Title. evidence');
  });

  test('are about all exits: of chosen reasons it is not said that nothing stands out', () => {
    const model = {
      ...plausibleModel(),
      advice: [],
      selection: { filters: ['reason io'], kinds: ['reason' as const] },
    };
    expect(sentences(model, true).join()).toContain('leave out --reason');
    expect(sentences(model, false)).toEqual([]);
  });

  test('name what was recorded and not looked at, until it is asked for', () => {
    const model = { ...plausibleModel(), advice: [] };
    const events = { ...model.capture.events, sched_switch: 3 };
    const scheduled = { ...model, capture: { ...model.capture, events } };
    expect(sentences(model, false)).toEqual([]);
    expect(sentences(scheduled, false).join()).toMatch(/sched_switch.*--section advice/);
    expect(sentences(scheduled, true).join()).not.toContain('--section advice');
    expect(adviceSection.requests({} as never, true).map(({ name }) => name)).toEqual([
      'ledger',
      'halt-polling',
    ]);
    expect(adviceSection.requests({} as never, false)).toEqual([]);
  });
});

test('only links to the documentation that advice names stay links in Markdown', () => {
  for (const url of ['https://docs.kernel.org/a/b.html#c', 'https://www.qemu.org/docs/x.html'])
    expect(markdownText(`See ${url}`)).toContain(url.split('#')[0]);
  for (const url of [
    'https://docs.kernel.org.evil.example/',
    'https://www.qemu.orgy/',
    'http://evil.example',
  ])
    expect(markdownText(url)).toContain(':<!-- -->//');
});

test('an input that is cut off is named so in the first line, other warnings are counted', () => {
  const model = plausibleModel();
  const warning = (code: string) => ({ code, severity: 'data-loss' as const, message: 'm', count: 1 });
  const reasons = (...codes: string[]) =>
    assessTrust({ ...model, quality: { ...model.quality, warnings: codes.map(warning) } }).reasons;
  expect(reasons('truncated-file')).toEqual(['the input is cut off']);
  expect(reasons('truncated-file', 'a', 'b')).toEqual([
    'the input is cut off',
    '2 more warnings about the input, see below',
  ]);
  expect(reasons('a')).toEqual(['1 warning about the input, see below']);
});

test('the title of a grouped table names its columns as the table does', () => {
  expect(groupingWords({ ...plausibleModel(), by: ['vm', 'vcpu', 'cpu', 'tid', 'reason'] })).toBe(
    'VM, vCPU, CPU, tid, reason',
  );
});
