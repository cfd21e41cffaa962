/** The generated tables against their sources, the kernel's own print formats and a frozen order. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ARM64_NOT_TRAP, ISA_ARM64, ISA_SVM, ISA_VMX } from '../src/core/isa-codes.ts';
import { REASON_TABLES } from '../src/isa/reason-tables.ts';
import {
  allReasons,
  armReasonCode,
  parseArmReason,
  parseReasonName,
  reasonIndex,
  reasonName,
} from '../src/isa/reasons.ts';
import { userspaceExitName } from '../src/isa/userspace-exits.ts';

const repo = path.resolve(import.meta.dirname, '..');
const shared = path.resolve(repo, '../shared');
const tables = path.join(shared, 'tables');
const corpus = path.join(shared, 'corpus');

describe.skipIf(!existsSync(tables))('tables', () => {
  it('regenerate to the committed text', () => {
    const out = mkdtempSync(path.join(os.tmpdir(), 'kvmtrace-isa-'));
    try {
      execFileSync(process.execPath, [path.join(repo, 'tools/generate-isa-tables.mjs'), tables, out]);
      const isGenerated = (name: string) => name.endsWith('.generated.ts');
      const committed = readdirSync(path.join(repo, 'src/isa')).filter(isGenerated).sort();
      expect(readdirSync(out).sort()).toEqual(committed);
      for (const name of committed) {
        const text = readFileSync(path.join(repo, 'src/isa', name), 'utf8');
        expect(readFileSync(path.join(out, name), 'utf8'), name).toBe(text);
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  it('show what the kernel prints, row by row', () => {
    for (const [file, isa] of [
      ['vmx.tsv', ISA_VMX],
      ['svm.tsv', ISA_SVM],
    ] as const) {
      let compared = 0;
      for (const line of readFileSync(path.join(tables, file), 'utf8').split('\n')) {
        const [nr, , kernel] = line.split('\t');
        if (!/^\d+$/.test(nr) || !kernel) continue;
        expect(reasonName(isa, Number(nr))).toBe(kernel);
        compared++;
      }
      expect(compared).toBeGreaterThan(60);
    }
  });
});

/** `{ 0x78, "hlt" }` pairs of a print format, from the place where `field` is printed symbolically. */
function printedSymbols(format: string, field: RegExp): [number, string][] {
  const start = format.search(field);
  if (start < 0) return [];
  // Up to the next conversion's argument: symbol lists hold no call.
  const list = format.slice(start).split(/__print_|REC->isa == 1\) \?/)[0];
  const pairs = list.matchAll(
    /\{\s*\(*(-?(?:0x)?[0-9a-fA-F]+)U?L?\)*\s*(?:\+\s*(\d+))?\s*,\s*"([^"]+)"\s*\}/g,
  );
  return [...pairs].map(([, number, plus, name]) => [Number(number) + Number(plus ?? 0), name]);
}

const x86Formats = ['x86/formats-6.1', 'x86/formats-6.12', 'intel/formats']
  .map((folder) => path.join(corpus, folder, 'kvm.kvm_exit.format'))
  .filter((file) => existsSync(file));

describe.skipIf(x86Formats.length === 0)('print formats of recorded kernels', () => {
  it.each(x86Formats)('%s', (file) => {
    const format = readFileSync(file, 'utf8');
    const vmx = printedSymbols(format, /REC->exit_reason & 0xffff, \{/);
    const svm = printedSymbols(format, /REC->exit_reason, \{/);
    expect(vmx.length).toBeGreaterThan(55);
    expect(svm.length).toBeGreaterThan(100);
    for (const [isa, pairs] of [
      [ISA_VMX, vmx],
      [ISA_SVM, svm],
    ] as const) {
      for (const [code, name] of pairs) {
        expect(reasonName(isa, code)).toBe(name);
        expect(parseReasonName(name, 0)).toEqual({ isa, code: code >>> 0 });
      }
    }
  });
});

const arm64Formats = ['arm64/61v3-formats', 'arm64/612v3-formats']
  .map((folder) => path.join(corpus, folder, 'kvm_exit.format'))
  .filter((file) => existsSync(file));

describe.skipIf(arm64Formats.length === 0)('print formats of recorded arm64 kernels', () => {
  it.each(arm64Formats)('%s', (file) => {
    const format = readFileSync(file, 'utf8');
    const types = printedSymbols(format, /REC->ret, /);
    const classes = printedSymbols(format, /REC->esr_ec, \{/);
    expect(types.map(([, name]) => name)).toEqual(['IRQ', 'SERROR', 'TRAP', 'HYP_GONE']);
    expect(classes.length).toBeGreaterThan(30);
    for (const [ret, name] of types) {
      expect(parseArmReason(name, 1)).toEqual({ isa: ISA_ARM64, code: armReasonCode(ret, 1) });
      if (name !== 'TRAP') expect(reasonName(ISA_ARM64, armReasonCode(ret, 0))).toBe(name);
    }
    for (const [ec, name] of classes) expect(reasonName(ISA_ARM64, armReasonCode(2, ec))).toBe(name);
  });
});

const appendix = path.join(shared, 'docs/formats.md');

describe.skipIf(!existsSync(appendix))('appendix of the format notes', () => {
  const text = existsSync(appendix) ? readFileSync(appendix, 'utf8') : '';
  const pairsOf = (title: string) => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`**${title}`)) ?? '';
    const list = line.slice(line.indexOf(':**') + 3).split(/[.;] /)[0];
    return [...list.matchAll(/(?:^|, |: )\s*(-?\d+|0x[0-9a-f]+) (?:\([^)]*\) )?([^,]+?)\.?(?=,|$)/g)].map(
      ([, nr, name]): [number, string] => [Number(nr), name],
    );
  };

  it.each([
    ['VMX basic exit reason', ISA_VMX, 64],
    ['SVM exit code', ISA_SVM, 100],
    ['arm64 ESR EC names', ISA_ARM64, 35],
    ['s390 icptcode', 5, 15],
    ['ppc book3s trap names', 7, 22],
    ['LoongArch synthetic reasons', 6, 4],
  ] as const)('%s', (title, isa, least) => {
    const pairs = pairsOf(title);
    expect(pairs.length).toBeGreaterThanOrEqual(least);
    for (const [code, name] of pairs) expect([code, reasonName(isa, code)]).toEqual([code, name]);
  });

  it('KVM_EXIT numbers', () => {
    const pairs = pairsOf('KVM_EXIT_* numbers');
    expect(pairs.length).toBe(44);
    for (const [code, name] of pairs) expect(userspaceExitName(code)).toBe(`KVM_EXIT_${name}`);
  });
});

describe('order', () => {
  it('holds every row of every table once', () => {
    const listed = allReasons().map(({ isa, code }) => `${isa}:${code}`);
    const rows = [...REASON_TABLES].flatMap(([isa, all]) => all.map(({ code }) => `${isa}:${code}`));
    expect(rows.filter((row) => !listed.includes(row))).toEqual([]);
    expect(listed.filter((row) => !rows.includes(row))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
  });

  it('never changes where captures refer to it', () => {
    // Frozen with the first capture schema. If this fails, lines were moved: append instead.
    const first = allReasons().slice(0, 358);
    const digest = createHash('sha256').update(JSON.stringify(first.map(({ isa, code }) => [isa, code])));
    expect([first.length, digest.digest('hex').slice(0, 16)]).toEqual([358, '55bf6bcc85dab7cc']);
  });

  it('is what reasonIndex looks up', () => {
    allReasons().forEach(({ isa, code, name }, index) => {
      expect(reasonIndex(isa, code)).toBe(index);
      expect(reasonIndex(isa, code | 0)).toBe(index);
      expect(reasonName(isa, code)).toBe(name);
    });
    expect(reasonIndex(ISA_VMX, 0x8000000c)).toBe(-1);
    expect(reasonIndex(ISA_SVM, 0x80000003)).toBeGreaterThan(0);
    expect(reasonIndex(ISA_VMX, 0x80000003)).toBe(-1);
    expect(reasonIndex(0x83, 12)).toBe(-1);
    expect(reasonIndex(15, 4095)).toBe(-1);
  });
});

describe('names', () => {
  it('identify a code within its ISA, but for the SERROR that arm64 has twice', () => {
    const twice = allReasons().filter(({ isa, code, name }) =>
      allReasons().some((other) => other.isa === isa && other.name === name && other.code !== code),
    );
    expect(twice.map(({ isa, code, name }) => [isa, code, name])).toEqual([
      [ISA_ARM64, ARM64_NOT_TRAP + 1, 'SERROR'],
      [ISA_ARM64, 0x2f, 'SERROR'],
    ]);
  });
});
