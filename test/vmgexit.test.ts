/** Exits of SEV-ES and SNP guests: kvm_exit says vmgexit for all that they ask for, kvm_vmgexit_enter says what. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runConvert, runReport } from '../src/commands/pipeline.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-vmgexit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const EXIT =
  'kvm_exit: vcpu 0 reason EXIT_VMGEXIT rip 0x0 info1 0x0000000000000000 info2 0x0000000000000000 ' +
  'intr_info 0x00000000 error_code 0x00000000';
const ENTRY = 'kvm_entry: vcpu 0, rip 0x0';
const enter = (code: string) => `kvm_vmgexit_enter: vcpu 0, exit_reason ${code}, exit_info1 0, exit_info2 0`;
const exit = (code: string) => `kvm_vmgexit_exit: vcpu 0, exit_reason ${code}, exit_info1 0, exit_info2 0`;

/** 10 µs from each event to the next. */
const TRACE = [
  // A change of page states goes to user space.
  [EXIT, enter('80000010'), 'kvm_userspace_exit: reason KVM_EXIT_HYPERCALL (3)', exit('80000010'), ENTRY],
  [EXIT, enter('80000010'), ENTRY],
  // What the access itself says is more than that there is one.
  [EXIT, enter('7c'), 'kvm_msr: msr_write 830 = 0x200', exit('7c'), ENTRY],
  [EXIT, enter('80000001'), 'kvm_mmio: mmio read len 4 gpa 0xfee00300 val 0x0', ENTRY],
  // AMD may number further ones.
  [EXIT, enter('80001234'), ENTRY],
  [EXIT, ENTRY],
]
  .flat()
  .map((text, i) => ` CPU 0/KVM-100   [000] .....     1.${String(10 * i).padStart(6, '0')}: ${text}\n`)
  .join('');

test.each(['the trace', 'its capture'])(
  'what guests ask for by VMGEXIT is told apart, from %s',
  async (from) => {
    const trace = path.join(folder, 'trace.txt');
    writeFileSync(trace, TRACE);
    const capture = path.join(folder, 'capture.arrow');
    if (from === 'its capture') await runConvert([trace], capture, defaultReportOptions());
    const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
    const { reasons, detail } = await runReport([from === 'the trace' ? trace : capture], {
      ...defaultReportOptions(),
      passes: sectionRequests(['detail'], slow),
    });
    expect(reasons.map(({ name, exits, escalated }) => [name, exits, escalated])).toEqual([
      ['vmgexit', 6, 1],
    ]);
    const rows = detail!.rows.map((row) => [
      row.name,
      row.kind,
      row.direction,
      row.address,
      row.what,
      row.exits,
      Number(row.totalNs),
      row.escalated,
    ]);
    expect(new Set(rows)).toEqual(
      new Set([
        ['vmgexit', 'vmgexit', null, '0x80000010', 'vmgexit_page_state_change', 2, 60_000, 1],
        ['vmgexit', 'msr', 'write', '0x830', 'X2APIC_ICR', 1, 40_000, 0],
        ['vmgexit', 'mmio', 'read', '0xfee00300', 'LAPIC ICR', 1, 30_000, 0],
        ['vmgexit', 'vmgexit', null, '0x80001234', null, 1, 20_000, 0],
      ]),
    );
  },
);
