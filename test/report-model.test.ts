/** The numbers of the report's main tables against brute force over decided exits. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyzeBatch, createAnalysis, finishAnalysis } from '../src/analysis/analyze.ts';
import { type ExitBatch, INVALIDATED_BY_LOSS, OPEN_AT_END, PAIRED } from '../src/analysis/exit-batch.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { buildModel } from '../src/report/build-model.ts';
import { exitsOf } from './support/exits.ts';
import { eventsOf, step } from './support/made-up-events.ts';

const HLT = 12;
const LEVELS = ['L1', 'L2', 'L2-reflected'];
type By = 'vm' | 'vcpu' | 'tid' | 'cpu' | 'level';

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
const percent = (part: number, whole: number) => (100 * part) / whole;

/** What a row says of some of the exits. `all`: what its shares are of. */
function rowOf(exits: ExitBatch, rows: readonly number[], all: { exits: number; time: number }) {
  const pairs = rows.filter((row) => exits.state[row] === PAIRED);
  const times = pairs.map((row) => exits.latency[row]).sort((a, b) => a - b);
  const sum = total(times);
  const has = times.length > 0;
  const mean = sum / times.length;
  const deviation =
    times.length > 1 ? Math.sqrt(total(times.map((ns) => (ns - mean) ** 2)) / (times.length - 1)) : 0;
  const quantile = (q: number) => (has ? times[Math.max(1, Math.ceil(q * times.length)) - 1] : null);
  const known = pairs.filter((row) => exits.hasRip[row]);
  const ripKnown = total(known.map((row) => exits.latency[row]));
  const kernel = known.filter((row) => exits.rip[2 * row + 1] >= 0xffff0000);
  const close = (value: number) => expect.closeTo(value, 6);
  return {
    exits: rows.length,
    paired: pairs.length,
    totalNs: sum,
    minNs: has ? times[0] : null,
    avgNs: has ? Math.floor(mean + 0.5) : null,
    maxNs: has ? times[times.length - 1] : null,
    stddevNs: has ? Math.round(deviation) : null,
    stderrPct: has ? close(sum > 0 ? percent(deviation / Math.sqrt(times.length), mean) : 0) : null,
    p50Ns: quantile(0.5),
    p90Ns: quantile(0.9),
    p99Ns: quantile(0.99),
    p999Ns: quantile(0.999),
    exitsPct: close(percent(rows.length, all.exits)),
    timePct: close(all.time > 0 ? percent(sum, all.time) : 0),
    guestKernelTimePct:
      has && ripKnown > 0 ? close(percent(total(kernel.map((row) => exits.latency[row])), ripKnown)) : null,
    escalated: rows.filter((row) => exits.userspaceExits[row] > 0).length,
    restarts: rows.filter((row) => exits.restarts[row] > 0).length,
    levels: Object.fromEntries(
      LEVELS.map((name, level) => [name, rows.filter((row) => exits.level[row] === level).length]),
    ),
  };
}

/** Counts by power of two, without empty ends. */
function histogramOf(times: readonly number[]) {
  const bucketOf = (ns: number) => (ns < 2 ? 0 : Math.floor(Math.log2(ns)));
  const buckets = times.map(bucketOf);
  if (buckets.length === 0) return [];
  const first = Math.min(...buckets);
  return Array.from({ length: Math.max(...buckets) - first + 1 }, (_, i) => ({
    loNs: first + i === 0 ? 0 : 2 ** (first + i),
    hiNs: 2 ** (first + i + 1) - 1,
    count: buckets.filter((bucket) => bucket === first + i).length,
  }));
}

test('reasons, threads and the quality of the data are what brute force finds, by any groups', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 120 }),
      fc.constantFrom<By[]>([], ['vcpu'], ['vm', 'tid'], ['cpu'], ['level']),
      (steps, by) => {
        const pair = [EV_EXIT, EV_ENTRY].map((event) => ({ event, thread: 0, cpu: 0, value: 0, after: 5 }));
        const events = eventsOf([...pair, ...steps], true);
        const exits = exitsOf(events);
        const context = Object.assign(createTraceContext(), {
          enabledEvents: new Set(['kvm_userspace_exit']),
        });
        const has = (key: By) => by.includes(key);
        const options = {
          selection: null,
          grouping: {
            ...{ pid: has('vm'), tid: has('tid'), vcpu: has('vcpu'), cpu: has('cpu'), level: has('level') },
          },
          ...{ slowLimit: 1, slowThanNs: 0, slowIncludeIdle: false, passes: [] },
        };
        const analysis = createAnalysis(null, options, () => {
          throw new Error('no passes');
        });
        analyzeBatch(analysis, events);
        const model = buildModel(context, finishAnalysis(analysis), { toolVersion: '0', by, filters: [] });
        const all = Array.from({ length: exits.length }, (_, row) => row);
        const times = (rows: readonly number[]) =>
          rows.filter((row) => exits.state[row] === PAIRED).map((row) => exits.latency[row]);
        const whole = { exits: exits.length, time: total(times(all)) };
        const keyOf = (row: number) => ({
          ...(has('vm') ? { pid: exits.pid[row], vm: null } : {}),
          ...(has('tid') ? { tid: exits.tid[row] } : {}),
          ...(has('vcpu') ? { vcpu: exits.vcpu[row] } : {}),
          ...(has('cpu') ? { cpu: exits.exitCpu[row] } : {}),
          ...(has('level') ? { level: LEVELS[exits.level[row]] } : {}),
          ...{ isa: 'vmx', code: exits.code[row] },
        });
        const groups = new Map<string, number[]>();
        for (const row of all) {
          const key = JSON.stringify(keyOf(row));
          groups.set(key, [...(groups.get(key) ?? []), row]);
        }
        expect(model.reasons.length).toBe(groups.size);
        // Groups together, in order; in each the most frequent reason first.
        const order = model.reasons.map(({ pid, vcpu, tid, cpu, level, exits: n, code }) => [
          ...[pid, vcpu, tid, cpu, level && LEVELS.indexOf(level)].map((key) => Number(key ?? -1)),
          ...[-n, code!],
        ]);
        const compare = (a: number[], b: number[]) =>
          a.map((value, i) => value - b[i]).find((d) => d !== 0) ?? 0;
        expect(order).toEqual([...order].sort(compare));
        for (const reason of model.reasons)
          for (const key of ['tid', 'vcpu', 'cpu', 'level'] as const) expect(key in reason).toBe(has(key));
        for (const [key, rows] of groups) {
          const head = JSON.parse(key);
          const found = model.reasons.find((reason) =>
            Object.entries(head).every(([name, value]) => reason[name as keyof typeof reason] === value),
          );
          expect(found).toMatchObject({
            ...head,
            ...rowOf(exits, rows, whole),
            idle: head.code === HLT,
            histogram: histogramOf(times(rows)),
          });
        }
        const {
          stddevNs: _,
          stderrPct: __,
          guestKernelTimePct: ___,
          levels: ____,
          ...totals
        } = rowOf(exits, all, whole);
        expect(model.totals).toMatchObject(totals);
        const inState = (state: number) => all.filter((row) => exits.state[row] === state).length;
        expect(model.quality).toMatchObject({
          exits: exits.length,
          paired: inState(PAIRED),
          openAtEnd: inState(OPEN_AT_END),
          invalidatedByLoss: inState(INVALIDATED_BY_LOSS),
          exitWithoutEntry:
            exits.length - inState(PAIRED) - inState(OPEN_AT_END) - inState(INVALIDATED_BY_LOSS),
        });
        const tids = [...new Set(all.map((row) => exits.tid[row]))].sort((a, b) => a - b);
        expect(model.vcpus.filter((row) => row.exits > 0)).toMatchObject(
          tids.map((tid) => {
            const own = all.filter((row) => exits.tid[row] === tid);
            const idle = own.filter((row) => exits.code[row] === HLT);
            return {
              ...{ tid, pid: 99, vcpu: tid - 100, exits: own.length, paired: times(own).length },
              ...{ totalNs: total(times(own)), idleNs: total(times(idle)) },
            };
          }),
        );
      },
    ),
    { numRuns: 150 },
  );
});
