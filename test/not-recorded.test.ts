/** What a capture lacks is "not recorded" in every view and section that takes it, and null in JSON, never 0. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions, type RawReportOptions } from '../src/commands/report-options.ts';
import type { ReportModel } from '../src/report/model.ts';
import { RENDERERS } from '../src/report/renderers.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { SECTIONS } from '../src/report/sections.ts';
import { VIEW_NAMES } from '../src/report/views/view-names.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-not-recorded-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A host's trace_pipe with every event of KVM, two guests. */
const FULL = HAS_SHARED
  ? gunzipSync(readFileSync(join(SHARED, 'corpus/x86/tp-all/trace_pipe.txt.gz'))).toString('latin1')
  : '';
const EVENT = / (\w+): /;
const DETAILS = /^(kvm_(pio|mmio|fast_mmio|msr|cpuid|cr|hypercall|page_fault|apic|inj_virq|eoi|pv_eoi))$/;

/** Captures that lack a kind of event. */
const LACKING: Readonly<Record<string, (event: string) => boolean>> = {
  kvm_exit: (event) => event === 'kvm_exit',
  kvm_entry: (event) => event === 'kvm_entry',
  kvm_userspace_exit: (event) => event === 'kvm_userspace_exit',
  details: (event) => DETAILS.test(event),
  halts: (event) => /^kvm_(vcpu_wakeup|halt_poll_ns)$/.test(event),
  'all but kvm_entry': (event) => event.startsWith('kvm_') && event !== 'kvm_entry',
  'all of KVM': (event) => /^(kvm_|vcpu_match_mmio)/.test(event),
};

const files = new Map<string, string>();
function fileLacking(what: string): string {
  let path = files.get(what);
  if (path === undefined) {
    path = join(folder, `${files.size}.txt`);
    const lines = FULL.split('\n').filter((line) => !LACKING[what](EVENT.exec(line)?.[1] ?? ''));
    // Something has to be left that tells what the file is.
    const other =
      '          <idle>-0       [000] d....    15.900000: sched_wakeup: comm=a pid=9 prio=120 target_cpu=000';
    writeFileSync(path, [other, ...lines].join('\n'));
    files.set(what, path);
  }
  return path;
}

const run = async (what: string, raw: RawReportOptions) =>
  runReport([fileLacking(what)], await parseReportOptions(raw));

const EXITS = ['kvmexit', 'kvm-bpf-count', 'kvmexitaarch64'];
const TIMES = ['kvm-bpf-time', 'kvm-bpf-hist', 'kvm-bpf-slower', 'perf-prof', 'perf-kvm'];
const ACCESSES = ['perf-kvm-mmio', 'perf-kvm-ioport', 'perf-kvm-msr'];
const COUNTS = ['perf-stat', 'kvm_stat'];

/** Views that have nothing to show, and what they say is missing. */
const EMPTY_VIEWS: readonly (readonly [lacking: string, views: readonly string[], says: RegExp])[] = [
  ['kvm_exit', [...EXITS, ...TIMES, ...ACCESSES], /^Not recorded: kvm_exit\.\n$/],
  ['kvm_entry', [...TIMES, ...ACCESSES], /^Not recorded: kvm_entry\.\n$/],
  ['details', ACCESSES, /^Not recorded: kvm_(mmio|pio|msr)\.\n$/],
  ['all but kvm_entry', [...EXITS, ...TIMES, ...ACCESSES], /^Not recorded: kvm_exit\.\n$/],
  ['all of KVM', VIEW_NAMES, /^Not recorded: .+\.\n$/],
];

describe.skipIf(!HAS_SHARED)('views', () => {
  test('all are told apart here', () => {
    expect([...EXITS, ...TIMES, ...ACCESSES, ...COUNTS].sort()).toEqual([...VIEW_NAMES].sort());
  });
  test.each(
    EMPTY_VIEWS.flatMap(([lacking, views, says]) => views.map((view) => [lacking, view, says] as const)),
  )('without %s: %s', async (lacking, view, says) => {
    expect((await run(lacking, { view })).view!.text).toMatch(says);
  });
  test.each([...EXITS, ...TIMES, ...ACCESSES, ...COUNTS])('with all events: %s has figures', async (view) => {
    // Only a clock of the whole host would do for the counterproof: nothing is missing.
    const path = join(folder, 'full.txt');
    writeFileSync(path, FULL);
    const { text } = (await runReport([path], await parseReportOptions({ view }))).view!;
    expect(text).not.toMatch(/Not recorded/);
    expect(text).toMatch(/[1-9]\d/);
  });
  test('events that were not recorded have no line', async () => {
    for (const view of COUNTS) {
      const { text } = (await run('kvm_userspace_exit', { view })).view!;
      expect(text).not.toMatch(/kvm_userspace_exit/);
      expect(text).toMatch(/kvm_entry/);
    }
  });
  test('averages without entries, and levels without nested events, are no number', async () => {
    const rows = (await run('kvm_entry', { view: 'kvmexitaarch64' })).view!.text.trim().split('\n').slice(1);
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(row).toMatch(/ [1-9]\d* +-$/);
    for (const view of ['kvm-bpf-count', 'kvm-bpf-time']) {
      const { text } = (await run('halts', { view })).view!;
      for (const row of text.split('\n').filter((line) => /^ *\d+ [a-z]/.test(line)))
        expect(row).toMatch(/ -$/);
      expect(text).toMatch(/Nesting was not recorded/);
    }
  });
});

/** What sections say of captures that lack what they take. */
const SECTION_SAYS: Readonly<Record<string, Partial<Record<string, RegExp>>>> = {
  kvm_exit: {
    detail: /^No exit was recorded around/,
    devices: /No exit was recorded around them: counts only/,
    hotspots: /^Not recorded/,
    context: /^Not recorded: it takes kvm_exit/,
    ledger: /^Not recorded/,
    intervals: /^Not recorded: it takes kvm_exit/,
    storms: /^Not recorded: it takes kvm_exit/,
    heatmap: /^Not recorded: it takes kvm_exit/,
  },
  kvm_entry: {
    context: /^Not recorded: it takes .*kvm_entry/,
    ledger: /^Not recorded/,
    heatmap: /^Not recorded: it takes .*kvm_entry/,
  },
  kvm_userspace_exit: {
    devices: /unknown: kvm_userspace_exit was not recorded/,
    ledger: /Not recorded: user space \(kvm_userspace_exit\)/,
  },
  details: { detail: /^Not recorded/, devices: /not recorded/i },
  halts: { 'halt-polling': /^Not recorded/, ledger: /Not recorded: .*kvm_vcpu_wakeup/ },
  'all of KVM': Object.fromEntries(
    SECTION_IDS.filter((id) => id !== 'advice').map((id) => [id, /not recorded/i]),
  ),
};
/** Of every capture here. */
const ALWAYS: Readonly<Record<string, RegExp>> = {
  qemu: /^Not recorded/,
  nested: /^Nesting was not recorded/,
};

describe.skipIf(!HAS_SHARED)('sections', () => {
  const sentences = async (lacking: string, id: string) => {
    const model = await run(lacking, { section: [id] });
    const section = SECTIONS.find((entry) => entry.id === id)!;
    const blocks = section.blocks(model, 0, true);
    return { model, text: blocks.flatMap((block) => block.sentences).join(' '), blocks };
  };
  test.each(
    Object.entries(SECTION_SAYS).flatMap(([lacking, said]) =>
      Object.entries({ ...ALWAYS, ...said }).map(([id, says]) => [lacking, id, says!] as const),
    ),
  )('without %s: %s', async (lacking, id, says) => {
    const { text, blocks } = await sentences(lacking, id);
    expect(text).toMatch(says);
    // Where nothing is known there is no table of zeros.
    if (/^Not recorded/.test(text) && blocks.length === 1) expect(blocks[0].table).toBeNull();
  });
});

/** Times of a model, wherever they are: those whose names say so, but for positions in time and lengths of the recording. */
function timesIn(value: unknown, path = ''): [string, unknown][] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, entry]): [string, unknown][] => {
    const at = `${path}.${key}`;
    if (/^(totalNs|avgNs|minNs|maxNs|p\d+Ns|stddevNs|kernelNs|userspaceNs|timePct)$/.test(key))
      return [[at, entry]];
    return timesIn(entry, at);
  });
}

async function printed(model: ReportModel, id: string): Promise<string> {
  const { render } = await RENDERERS.find((renderer) => renderer.id === id)!.load();
  let text = '';
  const options = {
    color: false,
    width: 200,
    rows: 0,
    histogram: true,
    table: 'reasons',
    sections: SECTION_IDS,
  };
  for await (const part of render(model, options)) text += part;
  return text;
}

describe.skipIf(!HAS_SHARED)('the whole report', () => {
  test('without entries no time of an exit is a number', async () => {
    const model = await run('kvm_entry', { section: SECTION_IDS.filter((id) => id !== 'halt-polling') });
    const { haltPolling: _own, ...rest } = model;
    const times = timesIn(rest);
    expect(times.length).toBeGreaterThan(100);
    expect(times.filter(([, value]) => value !== null)).toEqual([]);
    expect(model.notes.join(' ')).toMatch(/kvm_entry was not recorded/);
    expect(model.notes.join(' ')).not.toMatch(/no known unit/);
  });
  test('without exits escalation is unknown, and no times', async () => {
    const model = await run('kvm_exit', {});
    expect(model.escalation).toMatchObject({ known: false, exits: null, escalated: null, ratio: null });
    expect(model.totals.totalNs).toBeNull();
    for (const id of ['text', 'md', 'html']) {
      const text = await printed(model, id);
      expect(text).not.toMatch(/0 of 0 exits/);
      expect(text).toMatch(/no kvm_exit was recorded/);
    }
  });
  test.each(['kvm_exit', 'kvm_entry'])('without %s the slow list says why it is empty', async (lacking) => {
    const model = await run(lacking, {});
    expect(model.slow).toEqual([]);
    for (const id of ['text', 'md', 'html'])
      expect((await printed(model, id)).replace(/\s+/g, ' ')).toMatch(
        /[Ss]lowest exits.{0,80}Not recorded: it takes kvm_exit/,
      );
  });
  test('without userspace exits no share of escalations', async () => {
    const model = await run('kvm_userspace_exit', { section: [...SECTION_IDS] });
    expect(model.escalation.known).toBe(false);
    for (const { escalated, restarts } of model.reasons) expect([escalated, restarts]).toEqual([null, null]);
    for (const { escalated } of model.devices!.rows) expect(escalated).toBeNull();
    for (const { userspaceNs } of model.ledger!.rows) expect(userspaceNs).toBeNull();
  });
});
