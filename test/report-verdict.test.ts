/** What the numbers say in words: each sentence with the figures that it is about, and none that nobody can tell. */
import { describe, expect, test } from 'vitest';
import { buildVerdict } from '../src/report/build-verdict.ts';
import type { FilterKind, ReasonModel, ReportModel } from '../src/report/model.ts';
import { plausibleModel, reason } from './fixtures/report-models.ts';

const model = plausibleModel();
const verdict = (over: Partial<ReportModel> = {}) => buildVerdict({ ...model, ...over });
const findings = (...reasons: ReasonModel[]) => verdict({ reasons }).findings;
const totals = (over: Partial<ReportModel['totals']>) => ({ ...model.totals, ...over });

describe('summary', () => {
  test('time in exits, idle time apart, of all the time that the threads had', () => {
    const { summary } = verdict({
      capture: { ...model.capture, durationNs: 10_000_000_000 },
      totals: totals({ exits: 1000, paired: 1000, totalNs: 8_000_000_000, escalated: 250 }),
      busyTotals: { ...model.busyTotals, totalNs: 1_000_000_000 },
      escalation: { ...model.escalation, known: true, exits: 1000, escalated: 250, userspaceNs: 500_000_000 },
    });
    expect(summary).toEqual([
      '2 vCPU threads left the guest 1,000 times in 10.00 s.',
      "Handling exits took 1.000 s (5.0% of the threads' time); another 7.000 s (35.0% of the threads' time) was mostly the guest's own idling.",
      '250 exits (25.0%) went on to user space, which took 500.0 ms.',
    ]);
  });

  test('idle exits alone, or others that have no pair: no word on how long those took', () => {
    const busy = { ...model.busyTotals, exits: 0, paired: 0, totalNs: 0 };
    const idle = verdict({ busyTotals: busy });
    expect(idle.summary[1]).toMatch(
      /^[\d.]+ m?s \([\d.]+% of the threads' time\) was mostly the guest's own idling\.$/,
    );
    expect(idle.headline).toMatchObject({ busyNs: 0, busyPct: 0 });
    const unpaired = verdict({ busyTotals: { ...busy, exits: 3 } });
    expect(unpaired.summary[1]).toBe(idle.summary[1]);
    expect(unpaired.headline).toMatchObject({ busyNs: null, busyPct: null });
  });

  test('no idle time, no time in user space, nothing that went there', () => {
    const busy = { ...model.busyTotals, totalNs: model.totals.totalNs };
    const of = (escalated: number) =>
      verdict({
        busyTotals: busy,
        escalation: { ...model.escalation, known: true, exits: 1000, escalated, userspaceNs: 0 },
      }).summary;
    expect(of(1)[1]).not.toContain('idling');
    expect(of(1)[2]).toMatch(/^1 exit .* went on to user space\.$/);
    expect(of(0)[2]).toBe('No exit went on to user space.');
  });

  test('without time there is no word on how long it took', () => {
    for (const over of [{ totals: totals({ totalNs: null }) }, { totals: totals({ paired: 0, totalNs: 0 }) }])
      expect(verdict(over).summary.join()).not.toContain('took 0');
    const clockless = verdict({
      capture: { ...model.capture, timeIsNs: false, durationNs: null },
      totals: totals({ totalNs: null }),
    });
    expect(clockless.summary[1]).toBe('The clock has no known unit: there are counts, but no times.');
    expect(clockless.headline).toMatchObject({ exitsPerSecond: null, busyPct: null });
  });

  test('shares of the recording are left out where only a part of its time was selected', () => {
    const selected = (kinds: FilterKind[]) => verdict({ selection: { filters: [...kinds], kinds } });
    expect(selected(['time']).summary.join()).not.toContain("of the threads' time");
    expect(selected(['reason', 'time']).headline.exitsPerSecond).toBeNull();
    expect(selected(['reason']).headline.exitsPerSecond).not.toBeNull();
    // Others may have left the guest as well.
    expect(selected(['reason']).summary[0]).toMatch(/^The filters choose [\d,]+ exits of 2 vCPU threads in /);
  });

  test('no exits: of the recording, or of what was selected', () => {
    const none = { totals: totals({ exits: 0 }) };
    expect(verdict(none).summary).toEqual(['The recording holds no exits, so it tells nothing about them.']);
    const selection: ReportModel['selection'] = { filters: ['reason io'], kinds: ['reason'] };
    expect(verdict({ ...none, selection }).summary).toEqual(['No exit matches the selection.']);
  });

  test('that it is unknown which exits went on to user space, and whether it was recorded', () => {
    const unknown = (gap: ReportModel['escalation']['gap']) =>
      verdict({ escalation: { ...model.escalation, known: false, gap } }).summary.at(-1);
    expect(unknown('not-recorded')).toBe('Which exits went on to user space was not recorded.');
    expect(unknown('not-joined')).toBe('Which exits went on to user space cannot be told.');
  });

  test('headline: rates and shares of the whole recording', () => {
    const { headline } = verdict({
      capture: { ...model.capture, durationNs: 2_000_000_000 },
      totals: totals({ exits: 1000, paired: 1, escalated: 100 }),
      busyTotals: { ...model.busyTotals, paired: 1, totalNs: 1_000_000_000 },
    });
    expect(headline).toEqual({ exitsPerSecond: 500, busyNs: 1_000_000_000, busyPct: 25, escalatedPct: 10 });
  });

  test('headline: no busy time without a pair, none of a recording without length', () => {
    const unpaired = verdict({ busyTotals: { ...model.busyTotals, paired: 0 } });
    expect(unpaired.headline).toMatchObject({ busyNs: null, busyPct: null });
    const instant = verdict({ capture: { ...model.capture, durationNs: 0 } });
    expect(instant.headline).toMatchObject({ exitsPerSecond: null, busyPct: null });
  });
});

describe('findings', () => {
  test('are the three costliest reasons that are no idling, by time, then exits, then name', () => {
    const row = (name: string, totalNs: number, exits: number, idle = false) =>
      reason({ name, totalNs, exits, idle });
    const names = findings(
      row('D', 1, 900),
      row('C', 5000, 10),
      row('B', 5000, 10),
      row('A', 5000, 20),
      row('HLT', 9e9, 10, true),
    ).map(({ title }) => title.split(':')[0]);
    expect(names).toEqual(['A', 'B', 'C']);
    // One that took no time cost nothing.
    expect(findings(row('A', 5000, 20), row('B', 0, 20)).length).toBe(1);
  });

  test('go by number where no time is known', () => {
    const row = (name: string, exits: number) => ({ ...reason({ name, exits, paired: 0 }), totalNs: 0 });
    const [first, second] = findings(row('A', 10), row('B', 20));
    expect(first.title).toMatch(/^B: 20 exits, /);
    expect(second.title).toMatch(/^A: 10 exits, /);
    expect(first.text).not.toContain('took');
  });

  test('say of one exit how long it took, of few the average, of a hundred and more percentiles', () => {
    const text = (exits: number) =>
      findings(
        reason({
          name: 'A',
          exits,
          maxNs: 9000,
          avgNs: 5000,
          totalNs: 5000 * exits,
          p50Ns: 4000,
          p99Ns: 8000,
        }),
      )[0].text;
    expect(text(1)).toBe('It took 9.000 us.');
    expect(text(99)).toBe('99 exits took 5.000 us on average, 9.000 us at most.');
    expect(text(100)).toBe(
      '100 exits took 5.000 us on average; half took 4.000 us or less, one in a hundred more than 8.000 us.',
    );
  });

  test('name the longest exit where it alone is a tenth of the time, or twenty times the median', () => {
    const text = (maxNs: number, totalNs = 1e9, exits = 100) =>
      findings(reason({ name: 'A', exits, maxNs, totalNs, p50Ns: 1e6 }))[0].text;
    expect(text(1e8)).toContain('A single one took 100.0 ms: 10.0% of the total.');
    expect(text(99e6)).toContain('The longest took 99.00 ms.');
    expect(text(20e6)).toContain('The longest took 20.00 ms.');
    expect(text(19.9e6)).not.toMatch(/longest|single/);
    expect(text(1e8, 1e9, 99)).not.toMatch(/longest|single/);
  });

  test('say how many went on to user space, unless none did or nobody knows', () => {
    const text = (escalated: number | null) => findings(reason({ name: 'A', exits: 200, escalated }))[0].text;
    expect(text(200)).toContain('All of them went on to user space.');
    expect(text(50)).toContain('50 of 200 exits (25.0%) went on to user space.');
    for (const none of [0, null]) expect(text(none)).not.toContain('user space');
  });

  test('name the group of a row', () => {
    const name = (over: Partial<ReasonModel>) =>
      findings(reason({ name: 'A', exits: 5, ...over }))[0].title.split(':')[0];
    expect(name({ vcpu: 3 })).toBe('A (vCPU 3)');
    expect(name({ vcpu: null, tid: 7, cpu: 1, level: 'L2' })).toBe('A (vCPU unknown, tid 7, CPU 1, L2)');
    expect(name({ vm: 'web1', pid: 70 })).toBe('A (VM web1)');
    expect(name({ vm: null, pid: 70 })).toBe('A (VM pid 70)');
  });
});
