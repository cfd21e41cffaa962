/**
 * Traces that others published. They are not part of the repository: what must come out is either what their authors
 * published or counted here by a plain search of the text that knows nothing of the parsers.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import type { ReportModel } from '../src/report/model.ts';
import { SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const PUBLIC = join(SHARED, 'public');
const HAS_PUBLIC = existsSync(PUBLIC);
if (!HAS_PUBLIC) console.warn(`SKIPPED: published traces are not at ${PUBLIC}`);

const scratch = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function report(path: string): Promise<ReportModel> {
  return runReport([path], { ...defaultReportOptions(), includeIdle: true });
}

function textOf(name: string): string {
  const bytes = readFileSync(join(PUBLIC, name));
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
}

function count(words: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** `TIME: EVENT:` wherever it stands, with any line break in between. */
function eventsIn(text: string): Record<string, number> {
  return count([...text.matchAll(/\b\d+\.\d{6,9}:\s+(?:\w+:)?(\w+):/g)].map(([, name]) => name));
}

/** Reasons of kvm_exit by the printed name, lines joined. */
function reasonsIn(text: string): Record<string, number> {
  const flat = text.replace(/=\r?\n/g, '').replace(/\s+/g, ' ');
  return count(
    [
      ...flat.matchAll(/kvm_exit: (?:vcpu \d+ )?reason (?:EXIT_)?(\w+(?: excp)?)/g),
      ...flat.matchAll(/kvm_exit: (?:TRAP: HSR_EC: 0x[0-9a-f]+ \((\w+)|(IRQ):)/g),
      // The kernel's name of VMX reason 7 up to 5.3.
    ].map(([, name, irq]) => (name ?? irq).toUpperCase().replace('PENDING_INTERRUPT', 'INTERRUPT_WINDOW')),
  );
}

function reasonsOf(model: ReportModel): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, exits } of model.reasons) counts[name.toUpperCase()] = exits;
  return counts;
}

/** What QEMU wrote to trace_marker is one event to the search and many by name here. */
function withoutMarkers(events: Readonly<Record<string, number>>): Record<string, number> {
  const { tracing_mark_write: _markers, ...rest } = events;
  return rest;
}

const FILES: readonly (readonly [file: string, format: string])[] = [
  ['amd-idle-hlt-lkml/trace.txt', 'ftrace-text'],
  ['arm64-aarch32-idregs/trace-irq-loop.txt', 'ftrace-text'],
  ['arm64-aarch32-idregs/trace-trap-loop.txt', 'ftrace-text'],
  ['arm64-nv-kvmtool/trace.txt', 'ftrace-text'],
  ['ctf-challenge-24797/trace.txt', 'ftrace-text'],
  ['ctf-challenge-24797/trace2.txt', 'ftrace-text'],
  ['hip24-masterarbeit/default-kvm_exit_default_log.txt.gz', 'trace-cmd-text'],
  ['hip24-masterarbeit/e11ad396-report-ns.txt.gz', 'trace-cmd-text'],
  ['hip24-masterarbeit/host_report_2024.txt.gz', 'trace-cmd-text'],
  ['hip24-masterarbeit/vapic-kvm_exit_vapic.crlf.txt', 'trace-cmd-text'],
  ['kvm-example-asethi/trace.txt', 'ftrace-text'],
  ['lkml-nested-esxi-l1/trace.txt', 'ftrace-text'],
  ['lkml-vmware-l0-spurious-ept/trace.txt', 'ftrace-text'],
  ['lkml-windows-ept-loop/trace.txt', 'ftrace-text'],
  ['perf-prof-docs/kvm-exit-example.txt', 'perf-script'],
  ['qemu-i8042-commit/trace-as-published.txt', 'ftrace-text'],
  ['qemu-i8042-commit/trace-joined.txt', 'ftrace-text'],
];

describe.runIf(HAS_PUBLIC)('every event and reason of the text is counted', () => {
  test.each(FILES)('%s', async (file, format) => {
    const text = textOf(file);
    const model = await report(join(PUBLIC, file));
    expect(model.capture.sources[0].format).toBe(format);
    const wanted = eventsIn(text);
    const got = { ...model.capture.events };
    if (wanted.tracing_mark_write) expect(got.tracing_mark_write).toBe(wanted.tracing_mark_write);
    expect(withoutMarkers(got)).toEqual(withoutMarkers(wanted));
    expect(reasonsOf(model)).toEqual(reasonsIn(text));
  });
});

describe.runIf(HAS_PUBLIC)('published answers', () => {
  const answers = HAS_PUBLIC
    ? (JSON.parse(textOf('hip24-masterarbeit/published-answers.json')) as {
        answers: Record<string, Record<string, number>>;
      })
    : null;

  test.each([
    ['default-kvm_exit_default_log.txt', 'default-kvm_exit_default_log.txt.gz'],
    ['vapic-kvm_exit_vapic.txt', 'vapic-kvm_exit_vapic.crlf.txt'],
  ])('HIP24: %s', async (name, file) => {
    const model = await report(join(PUBLIC, 'hip24-masterarbeit', file));
    expect(reasonsOf(model)).toEqual(answers!.answers[name]);
    // Exits alone: counts are right, and nothing is paired.
    expect(model.quality).toMatchObject({ entries: 0, paired: 0 });
  });

  test('HIP24: the same run as trace.dat, as report -t and as report -R', async () => {
    const folder = join(PUBLIC, 'hip24-masterarbeit');
    const dat = await report(join(folder, 'e11ad396-trace.dat'));
    const ns = await report(join(folder, 'e11ad396-report-ns.txt.gz'));
    const raw = await report(join(folder, 'e11ad396-report-raw.txt.gz'));
    const rows = (model: ReportModel) => model.reasons.map(({ code, paired }) => ({ code, paired }));
    expect(dat.capture.events).toEqual({ kvm_exit: 9005, kvm_entry: 9004 });
    for (const model of [ns, raw]) {
      expect(model.capture.events).toEqual(dat.capture.events);
      expect(rows(model)).toEqual(rows(dat));
    }
    expect(ns.reasons.map(({ totalNs, minNs, maxNs }) => [totalNs, minNs, maxNs])).toEqual(
      dat.reasons.map(({ totalNs, minNs, maxNs }) => [totalNs, minNs, maxNs]),
    );
    raw.reasons.forEach((reason, i) => {
      const slack = 1000 * reason.paired;
      expect(Math.abs(Number(reason.totalNs) - Number(dat.reasons[i].totalNs))).toBeLessThanOrEqual(slack);
    });
  });

  test('asethi: perf stat of the same second', async () => {
    const model = await report(join(PUBLIC, 'kvm-example-asethi/trace.txt'));
    const counted = Object.fromEntries(
      [...textOf('kvm-example-asethi/perf-stat.txt').matchAll(/^\s*(\d+)\s+kvm:(\w+)/gm)].map(
        ([, number, name]) => [name, Number(number)],
      ),
    );
    expect(Object.keys(counted).length).toBe(10);
    expect(model.capture.events).toEqual(counted);
  });
});

function codesOf(model: ReportModel): string[] {
  return model.quality.warnings.map(({ code }) => code).sort();
}

describe.runIf(HAS_PUBLIC)('what the excerpts cannot tell is said', () => {
  test('AMD, columns cut to the time: counts, no thread, no pair', async () => {
    const model = await report(join(PUBLIC, 'amd-idle-hlt-lkml/trace.txt'));
    expect(model.quality).toMatchObject({ exits: 5, entries: 5, paired: 0, exitWithoutEntry: 5 });
    expect(codesOf(model)).toEqual(['events-without-thread', 'lines-without-thread']);
    expect(model.vcpus).toEqual([]);
  });

  test('armv7: exits without a reason, prose in between', async () => {
    const text = textOf('armv7-vm14hw2/report-excerpt.md');
    const model = await report(join(PUBLIC, 'armv7-vm14hw2/report-excerpt.md'));
    expect(model.capture.events).toEqual(
      count([...text.matchAll(/^\d+\.\d{6}: (\w+):/gm)].map(([, name]) => name)),
    );
    expect(model.reasons).toMatchObject([
      { isa: 'unknown', code: null, name: '(no reason printed)', exits: 7 },
    ]);
    const unread = model.quality.warnings.find(({ code }) => code === 'unreadable-lines')!;
    // The first line of the file is prose.
    expect(unread.message).toMatch(/the first is line 1\b/);
  });

  test('LoongArch: kvm_reenter ends an exit', async () => {
    const model = await report(join(PUBLIC, 'loongarch-cai-fuqiang/trace.txt'));
    expect(model.capture.events).toEqual({ kvm_reenter: 3, kvm_exit: 2 });
    // 0.892627 → 0.892629 and 0.896628 → 0.896629
    expect(model.reasons).toMatchObject([
      { isa: 'loongarch', code: 0, exits: 2, paired: 2, totalNs: 3000, minNs: 1000, maxNs: 2000 },
    ]);
  });

  test('PowerPC: QEMU’s log with mail around it', async () => {
    const model = await report(join(PUBLIC, 'ppc-qemu-log/log.txt'));
    expect(model.capture.sources[0].format).toBe('qemu-log');
    expect(model.capture.events).toMatchObject({
      kvm_run_exit: 3,
      kvm_vcpu_ioctl: 2,
      kvm_set_user_memory: 2,
    });
  });

  test('records that the mail broke before the event equal the joined ones', async () => {
    const folder = join(PUBLIC, 'qemu-i8042-commit');
    const broken = await report(join(folder, 'trace-as-published.txt'));
    const joined = await report(join(folder, 'trace-joined.txt'));
    expect(broken.reasons).toEqual(joined.reasons);
    expect(broken.capture.events).toEqual(joined.capture.events);
    const comments = textOf('qemu-i8042-commit/trace-as-published.txt').match(/^\s+#/gm)!.length;
    expect(broken.quality.warnings.find(({ code }) => code === 'unreadable-lines')?.count).toBe(comments);
  });

  test('two vCPUs, records over two to four lines', async () => {
    const model = await report(join(PUBLIC, 'lkml-vmware-l0-spurious-ept/trace.txt'));
    expect(model.vcpus.map(({ tid, vcpu, exits }) => [tid, vcpu, exits])).toEqual([
      [5786, 4, 4],
      [5791, 7, 3],
    ]);
    expect(model.quality).toMatchObject({ exits: 7, entries: 8, paired: 7, entryWithoutExit: 1 });
  });
});

describe.runIf(HAS_PUBLIC)('tables of other tools are refused with what to give instead', () => {
  test.each([
    ['amd-sev-live-cai-fuqiang.txt', /printed by perf kvm stat/],
    ['arm64-kvmarm-list.txt', /printed by perf kvm stat/],
    ['bcc-kvm_hypercall.txt', /printed by kvm_hypercall/],
    ['bcc-kvmexit_example.txt', /printed by kvmexit/],
    ['x86-tables-from-search.txt', /printed by perf kvm stat/],
  ])('%s', async (file, message) => {
    await expect(report(join(PUBLIC, 'perfkvm-tables', file))).rejects.toThrow(message);
  });
});

/** Blocks of odd-lines: number → format, then counts by hand. */
const BLOCKS: readonly (readonly [
  number: number,
  format: string,
  events: Record<string, number>,
  reasons: Record<string, number>,
  quality: Partial<ReportModel['quality']>,
])[] = [
  [
    1,
    'ftrace-text',
    { kvm_entry: 3, kvm_exit: 2, kvm_mmio: 1, kvm_apic: 1, kvm_ack_irq: 1, kvm_pio: 1 },
    { 'vmx APIC_ACCESS': 1, 'vmx IO_INSTRUCTION': 1 },
    { paired: 2, entryWithoutExit: 1 },
  ],
  [
    2,
    'perf-script',
    { kvm_entry: 1, kvm_exit: 1, kvm_fpu: 1, kvm_userspace_exit: 1 },
    { 'vmx TRIPLE_FAULT': 1 },
    { paired: 0 },
  ],
  [3, 'perf-script', { kvm_entry: 3 }, {}, { entryWithoutExit: 3 }],
  [4, 'ftrace-text', { kvm_entry: 1, kvm_exit: 1 }, { 'vmx EPT_VIOLATION': 1 }, { openAtEnd: 1 }],
  [5, 'perf-script', { kvm_entry: 1, kvm_exit: 1 }, { 'vmx APIC_WRITE': 1 }, { paired: 1 }],
  [
    6,
    'trace-cmd-text',
    { kvm_entry: 1, kvm_fpu: 4, kvm_userspace_exit: 2, kvm_exit: 1, kvm_page_fault: 1 },
    { 'vmx EPT_VIOLATION': 1 },
    { openAtEnd: 1 },
  ],
  [
    7,
    'ftrace-text',
    { kvm_entry: 2, kvm_exit: 2, kvm_page_fault: 2, kvm_emulate_insn: 2, kvm_fpu: 1, kvm_userspace_exit: 1 },
    { 'svm npf': 2 },
    { paired: 1, openAtEnd: 1 },
  ],
  [8, 'ftrace-text', { kvm_exit: 2 }, { 'svm npf': 2 }, { openAtEnd: 2 }],
  [
    9,
    'trace-cmd-text',
    { kvm_exit: 4, kvm_msr: 1, kvm_inj_exception: 1, kvm_entry: 1, kvm_emulate_insn: 1 },
    { 'svm msr': 1, 'svm GP excp': 1, 'svm npf': 2 },
    { paired: 1, exitWithoutEntry: 1, openAtEnd: 2 },
  ],
  [
    10,
    'trace-cmd-text',
    { kvm_entry: 1, kvm_exit: 1 },
    { 'vmx EXCEPTION_NMI': 1 },
    { openAtEnd: 1, entryWithoutExit: 1 },
  ],
  [
    11,
    'perf-script',
    { kvm_exit: 2, kvm_entry: 1 },
    { 'vmx PREEMPTION_TIMER': 1, 'vmx VMCALL': 1 },
    { paired: 0, exitWithoutEntry: 2 },
  ],
  [
    12,
    'ftrace-text',
    { kvm_userspace_exit: 2, kvm_fpu: 2, kvm_entry: 1, kvm_exit: 1, kvm_page_fault: 1, fast_page_fault: 1 },
    { 'vmx EPT_VIOLATION': 1 },
    { openAtEnd: 1 },
  ],
  [
    13,
    'ftrace-text',
    { kvm_entry: 3, kvm_exit: 2 },
    { 'vmx EXTERNAL_INTERRUPT': 1, 'vmx DR_ACCESS': 1 },
    { paired: 2 },
  ],
];

describe.runIf(HAS_PUBLIC)('odd lines seen in the wild', () => {
  const blocks = HAS_PUBLIC ? textOf('odd-lines/lines.txt').split(/^### .*\n/m) : [];
  const write = (number: number) => {
    const path = join(scratch, `block-${number}`);
    writeFileSync(path, blocks[number], 'latin1');
    return path;
  };

  test.each(BLOCKS)('block %i opens as %s', async (number, format, events, reasons, quality) => {
    const model = await report(write(number));
    expect(model.capture.sources[0].format).toBe(format);
    expect(model.capture.events).toEqual(events);
    expect(Object.fromEntries(model.reasons.map((row) => [`${row.isa} ${row.name}`, row.exits]))).toEqual(
      reasons,
    );
    expect(model.quality).toMatchObject(quality);
  });

  test('block 6: KVM_EXIT_UNKNOWN as trace-cmd prints it is a restart', async () => {
    const model = await report(write(6));
    expect(model.quality.warnings.map(({ code }) => code)).toContain('restarts-not-printed');
  });

  test.each([14, 15])('block %i has no times and is refused for that', async (number) => {
    await expect(report(write(number))).rejects.toThrow(/no thread, CPU or time/);
  });

  test('block 16 is QEMU’s log', async () => {
    expect((await report(write(16))).capture.sources[0].format).toBe('qemu-log');
  });

  test('all of them in one file: what is read and what is not is counted', async () => {
    const model = await report(join(PUBLIC, 'odd-lines/lines.txt'));
    expect(model.quality.exits).toBe(
      BLOCKS.filter(([, format]) => format !== 'perf-script').reduce(
        (sum, [, , events]) => sum + (events.kvm_exit ?? 0),
        0,
      ),
    );
    expect(codesOf(model)).toEqual(expect.arrayContaining(['lines-without-context', 'unreadable-lines']));
  });
});
