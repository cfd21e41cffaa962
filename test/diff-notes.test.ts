/** What a comparison says of its recordings beside the figures. */
import { describe, expect, test } from 'vitest';
import { buildDiff } from '../src/report/diff/build.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import type { CaptureModel, ReportModel } from '../src/report/model.ts';
import { plausibleModel, vcpu } from './fixtures/report-models.ts';
import { type Given, inputOf } from './support/made-up-diff.ts';

const base = plausibleModel();
const capture = (rest: Partial<CaptureModel>): Partial<ReportModel> => ({
  capture: { ...base.capture, ...rest },
});
const GOOD: Given = {
  model: base,
  ...{ slices: 32, wallNs: 1e9, guestNs: 5e8, sliced: [], userspace: [], ignored: 0 },
};

function compare(before: Partial<Given>, after: Partial<Given>): DiffModel {
  return buildDiff(inputOf({ ...GOOD, ...before }, 0), inputOf({ ...GOOD, ...after }, 1), '1.2.3');
}
const report = (over: Partial<ReportModel>): Partial<Given> => ({ model: plausibleModel(over) });
const LOST =
  'its rates and its time in the guest are too low by what is missing, so differences may come from that.';
const UNIT = 'has no known unit: there are no rates and no times.';

describe('notes', () => {
  test('of complete recordings there are none', () => {
    expect(compare({}, {}).notes).toEqual([]);
  });

  test.each<[string, Partial<Given>, string[]]>([
    [
      'an untrusted one',
      report({ quality: { ...base.quality, invalidatedByLoss: 3, negativeLatency: 1 } }),
      ['Quality of "?": 3 exits invalidated by losses; 1 entry stamped before the exit.'],
    ],
    [
      'one without times',
      { ...report(capture({ timeIsNs: false })), slices: 0 },
      ['Quality of "?": the clock has no known unit, so there are no durations.', `The clock of "?" ${UNIT}`],
    ],
    [
      'one with more returns to QEMU than are followed',
      { qemuIgnored: 3 },
      ['"?": 3 returns to QEMU of rare reasons or of no known vCPU are compared without intervals.'],
    ],
    ['a short one', { slices: 31 }, ['"?" is too short to tell changes from noise.']],
    [
      'lost events',
      report(capture({ lost: { ...base.capture.lost, events: 5 } })),
      ['Quality of "?": 5 events lost in 0 regions (0.0% of the time).', `"?" has lost events: ${LOST}`],
    ],
    [
      'lost events, nobody knows how many',
      report(capture({ lost: { ...base.capture.lost, events: null, regions: 1 } })),
      [
        'Quality of "?": an unknown number of events lost in 1 region (0.0% of the time).',
        `"?" has lost events: ${LOST}`,
      ],
    ],
    [
      'regions of losses',
      report(capture({ lost: { ...base.capture.lost, regions: 1 } })),
      ['Quality of "?": 0 events lost in 1 region (0.0% of the time).', `"?" has lost events: ${LOST}`],
    ],
    [
      'no userspace exits',
      report({ escalation: { ...base.escalation, known: false } }),
      ['"?" has no userspace exits: escalation is unknown.'],
    ],
    ['rare reasons', { ignored: 1 }, ['"?": 1 exit of rare reasons are compared without intervals.']],
  ])('%s is named, on whichever side it is', (_, side, wanted) => {
    const named = (name: string) => wanted.map((note) => note.replace('?', name));
    expect(compare(side, {}).notes).toEqual(named('before'));
    expect(compare({}, side).notes).toEqual(named('after'));
    expect(compare(side, side).notes).toEqual([...named('before'), ...named('after')]);
  });

  test('instruction sets that differ, in whatever order; one that is not known is no difference', () => {
    const of = (...isa: string[]) => report(capture({ isa }));
    expect(compare(of('vmx'), of('svm')).notes).toEqual([
      'Different instruction sets (vmx and svm): their exit reasons are not comparable.',
    ]);
    expect(compare(of('vmx', 'svm'), of('svm', 'vmx')).notes).toEqual([]);
    expect(compare(of('vmx'), of()).notes).toEqual([]);
    expect(compare(of(), of('vmx')).notes).toEqual([]);
  });

  test('resolutions of time stamps that differ', () => {
    expect(compare({}, report(capture({ timeResolutionNs: 1000 }))).notes).toEqual([
      'Time stamps are recorded to 1 ns before and 1 us after: short times differ for that alone.',
    ]);
  });
});

describe('sides', () => {
  test('times are recorded time, times vCPUs, and time in the guest', () => {
    const { before, after, tool, method, selection } = compare({}, { ...report({ vcpus: [] }), guestNs: 0 });
    expect([before.wallNs, before.vcpus, before.vcpuNs, before.guestNs]).toEqual([1e9, 2, 2e9, 5e8]);
    expect([after.wallNs, after.vcpus, after.vcpuNs, after.guestNs]).toEqual([1e9, 0, null, null]);
    expect([before.slices, before.capture, before.trust]).toEqual([
      32,
      base.capture,
      { ok: true, reasons: ['no losses', '2,559 of 2,562 exits paired'] },
    ]);
    expect([tool, method.confidencePct, method.replicates, selection]).toEqual([
      { name: 'kvmtrace', version: '1.2.3' },
      95,
      300,
      null,
    ]);
  });

  test.each([
    ['without a length', { wallNs: null }],
    ['of no length', { wallNs: 0 }],
    ['whose clock has no unit', report({ ...capture({ timeIsNs: false }), vcpus: [vcpu()] })],
  ])('%s have no times', (_, side) => {
    const { wallNs, vcpuNs, guestNs } = compare(side, {}).before;
    expect([wallNs, vcpuNs, guestNs]).toEqual([null, null, null]);
  });

  test('what is not there costs nothing, unless the clock has no unit', () => {
    const { reasons } = compare(report({ reasons: [] }), {});
    expect(reasons[0].before).toEqual({ exits: 0, paired: 0, totalNs: 0, escalated: 0 });
    const timeless = compare(report({ reasons: [], ...capture({ timeIsNs: false }) }), {});
    expect(timeless.reasons[0].before.totalNs).toBeNull();
    const unknown = compare(report({ reasons: [], escalation: { ...base.escalation, known: false } }), {});
    expect(unknown.reasons[0].before.escalated).toBeNull();
  });
});
