/** --redact: what identifies machines, people and memory is in no format of the report any more. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { csvTableNames } from '../src/report/csv-tables.ts';
import type { ReportModel } from '../src/report/model.ts';
import { createPseudonyms, redactModel } from '../src/report/redact.ts';
import { redactCommand } from '../src/report/redact-command.ts';
import { RENDERERS } from '../src/report/renderers.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import { plausibleModel, slowExit, vcpu } from './fixtures/report-models.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

/** Every format, and every table of CSV. */
async function everywhere(model: ReportModel): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const renderer of RENDERERS) {
    const { render } = await renderer.load();
    for (const table of renderer.id === 'csv' ? csvTableNames() : ['reasons']) {
      const pieces = render(model, {
        color: false,
        width: null,
        rows: 0,
        histogram: true,
        table,
        sections: SECTION_IDS,
      });
      let text = '';
      if (typeof pieces === 'string') text = pieces;
      else for await (const piece of pieces) text += piece;
      texts.set(`${renderer.id} ${table}`, text);
    }
  }
  return texts;
}

async function report(path: string): Promise<ReportModel> {
  const slow = { slowLimit: 50, thanNs: 0, includeIdle: true };
  const model = await runReport([path], {
    ...defaultReportOptions(),
    ...slow,
    by: ['vm', 'tid', 'reason'],
    filters: { ...defaultReportOptions().filters, words: [] },
    passes: sectionRequests(SECTION_IDS, slow),
  });
  model.reproduce = {
    command: [
      'report',
      path,
      '-o',
      '/home/alice/secret/out.html',
      '--trace-events=/srv/x/trace-events',
      '--by',
      'vm',
    ],
    versions: { kvmtrace: model.tool.version },
    inputs: [{ path, sha256: 'ab'.repeat(32) }],
  };
  return model;
}

/** Names, paths and long addresses of a model: what must not come out. */
function secrets(model: ReportModel): string[] {
  const found = new Set<string>();
  const walk = (value: unknown, key: string): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, key);
    else if (typeof value === 'object' && value !== null)
      for (const [name, item] of Object.entries(value)) walk(item, name);
    else if (typeof value === 'string') {
      if (['comm', 'vm', 'host', 'path'].includes(key) && !/^(CPU \d+\/KVM|idle)$/.test(value))
        found.add(value);
      if (key === 'rip') found.add(value);
      for (const address of value.match(/0x[0-9a-f]{9,}/gi) ?? []) found.add(address);
    }
  };
  walk(model, '');
  if (model.capture.facts.command) found.add(model.capture.facts.command);
  // Shorter ones (`cat`) are words of the formats as well.
  return [...found].filter((secret) => secret.length > 3);
}

const CAPTURES = [
  join(SAMPLES, 'intel-perf/perf.data'),
  join(SAMPLES, 'amd-trace-dat-date/trace.dat'),
  join(SAMPLES, 'arm64-trace/trace.txt.gz'),
  ...(HAS_SHARED
    ? ['x86/pf-all/perf.data', 'x86/tc-sched/trace.dat', 'x86/pf-lost/perf.data'].map((path) =>
        join(SHARED, 'corpus', path),
      )
    : []),
];

describe.each(CAPTURES)('%s', (path) => {
  let original: ReportModel;
  let texts: Map<string, string>;
  beforeAll(async () => {
    original = await report(path);
    texts = await everywhere(redactModel(original));
  });

  test('no name, path, address or command is in any format', async () => {
    const plain = [...(await everywhere(original)).values()].join('\n');
    const known = secrets(original).filter((secret) => plain.includes(secret));
    expect(known.length).toBeGreaterThan(3);
    for (const secret of known)
      for (const [format, text] of texts) {
        // An address may be the beginning of none other.
        const pattern = new RegExp(`${secret.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?![0-9a-zA-Z_])`);
        expect(text, `${secret} in ${format}`).not.toMatch(pattern);
      }
  });

  test('no process or thread keeps its number, each has one, and the figures are the same', () => {
    const redacted = redactModel(original);
    const ids = new Map<number, number>();
    original.vcpus.forEach((row, i) => {
      const other = redacted.vcpus[i];
      expect(other.tid).not.toBe(row.tid);
      expect(ids.get(row.tid) ?? other.tid).toBe(other.tid);
      ids.set(row.tid, other.tid);
      expect({ ...other, tid: 0, pid: 0, comm: '', vm: '' }).toEqual({
        ...row,
        tid: 0,
        pid: 0,
        comm: '',
        vm: '',
      });
    });
    expect(new Set(ids.values()).size).toBe(ids.size);
    original.slow.forEach((row, i) => {
      expect(redacted.slow[i].tid).toBe(ids.get(row.tid));
      expect(redacted.slow[i].latencyNs).toBe(row.latencyNs);
    });
    expect(redacted.totals).toEqual(original.totals);
    expect(redacted.quality.exits).toBe(original.quality.exits);
    expect(redacted.escalation).toEqual(original.escalation);
  });

  test('gives the same twice', () => {
    expect(redactModel(structuredClone(original))).toEqual(redactModel(original));
  });
});

describe('hostile names', () => {
  test.each(HOSTILE_NAMES.filter((name) => name.trim().length > 2).map((name) => [name.slice(0, 30), name]))(
    '%j does not survive',
    async (_, name) => {
      const base = plausibleModel();
      const model = plausibleModel({
        capture: { ...base.capture, host: name, facts: { command: name, [`of ${name}`]: name } },
        vcpus: [vcpu({ comm: name, vm: name })],
        slow: [slowExit({ comm: name })],
        quality: {
          ...base.quality,
          warnings: [{ code: 'w', severity: 'suspect', message: `thread "${name}" again`, count: 1 }],
        },
        notes: [`Thread ${name}: strange`],
      });
      const json = (await everywhere(redactModel(model))).get('json reasons')!;
      expect(JSON.stringify(JSON.parse(json))).not.toContain(JSON.stringify(name).slice(1, -1));
    },
  );
});

describe('texts', () => {
  test('numbers behind tid and pid, addresses and paths go', () => {
    const names = createPseudonyms(new Set([4121, 4139]));
    names.name('vm', 'customer-db');
    expect(names.text('tid 4121,4139-4150')).toBe('tid 1,2-3');
    expect(names.text('pid 4121: 12 events of customer-db')).toBe('pid 1: 12 events of vm-1');
    expect(names.text('at 0xffffffff81a0b3c4, MSR 0xc0000080')).toBe('at kernel-addr-1, MSR 0xc0000080');
    expect(names.text('read /srv/vm/customer.log twice')).toBe('read file-1 twice');
    for (const common of [
      'https://docs.kernel.org/virt/kvm/x86.html',
      '/sys/module/kvm/parameters/halt_poll_ns',
    ])
      expect(names.text(common)).toBe(common);
    expect(names.text('customer-dbx stays')).toBe('customer-dbx stays');
  });

  test('a pseudonym is never a number that was there', () => {
    const names = createPseudonyms(new Set([1, 2, 4]));
    expect([1, 2, 4].map((id) => names.id(id))).toEqual([3, 5, 6]);
  });

  test('addresses of well-known devices, registers and ports stay, others go', () => {
    const row = {
      isa: 'svm',
      code: 1024,
      name: 'npf',
      direction: null,
      mayMiss: 0,
      exits: 1,
      paired: 1,
      totalNs: 1,
      minNs: 1,
      avgNs: 1,
      maxNs: 1,
      escalated: 0,
      restarts: 0,
      errors: 0,
      kernelNs: 0,
      userspaceNs: 0,
    };
    const redacted = redactModel(
      plausibleModel({
        slow: [slowExit({ rip: '0x401000' })],
        detail: {
          known: true,
          events: [],
          exits: 5,
          withDetail: 5,
          injected: null,
          hostVectors: null,
          eoi: null,
          floor: 0,
          pages: [],
          rows: [
            { ...row, kind: 'mmio', address: '0xfee000b0', what: 'LAPIC EOI' },
            { ...row, kind: 'msr', address: '0xc0000080', what: null },
            { ...row, kind: 'port', address: '0xc008', what: null },
            { ...row, kind: 'mmio', address: '0xfebfe008', what: 'PCI BAR' },
            { ...row, kind: 'page-fault', address: '0x7f200000', what: null },
          ],
        },
      }),
    );
    expect(redacted.slow[0].rip).toBe('addr-1');
    expect(redacted.detail!.rows.map(({ address }) => address)).toEqual([
      '0xfee000b0',
      '0xc0000080',
      '0xc008',
      'gpa-1',
      'gpa-2',
    ]);
  });

  test('a thread that is called like a kind of filter changes no kind', () => {
    const selection: ReportModel['selection'] = { filters: ['from 2s'], kinds: ['time'] };
    const redacted = redactModel(plausibleModel({ selection, vcpus: [vcpu({ comm: 'time' })] }));
    expect(redacted.vcpus[0].comm).toBe('thread-1');
    expect(redacted.selection).toEqual(selection);
  });

  test('of the command line what says which analysis it was remains', () => {
    const names = createPseudonyms(new Set([139]));
    const command = [
      'report',
      'acme.data',
      '-p',
      '139',
      '--than=1ms',
      '-oacme.html',
      '--reason',
      'io',
      '--redact',
    ];
    expect(redactCommand(command, [{ path: 'acme.data' }], names)).toEqual([
      'report',
      'file-1',
      '-p',
      '1',
      '--than=1ms',
      '-ofile-2',
      '--reason',
      'io',
      '--redact',
    ]);
  });
});

test('events keep their names and counts, whatever their names look like', () => {
  const model = plausibleModel();
  const names = [...HOSTILE_NAMES, 'pid', 'prev_tid', 'host', 'path', 'valueOf'];
  model.capture.events = Object.fromEntries(names.map((name, i) => [name, 1000 + i]));
  expect(Object.entries(redactModel(model).capture.events)).toEqual(Object.entries(model.capture.events));
});
