/** Guest symbols: parsing, and solving the offset that KASLR gave the guest. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions } from '../src/commands/report-options.ts';
import {
  type GuestSymbols,
  kernelOffset,
  parseGuestSymbols,
  solveOffset,
  symbolAt,
} from '../src/report/guest-symbols.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import { pairScript, readScript } from './support/perf-script.ts';

const MAP = `ffffffff81000000 T _text
ffffffff81073900 T native_write_msr
ffffffff81073940 t native_read_msr
ffffffff81073980 T something_else
ffffffff81a17a00 T default_idle
ffffffff81a17a00 t alias_of_default_idle
ffffffff81a17a20 T do_idle
ffffffff82000000 D some_data
0000000000000000 A zero
`;
const at = (hex: string) => {
  const value = BigInt(hex);
  return kernelOffset(Number(value & 0xffffffffn), Number(value >> 32n))!;
};
const symbols = () => parseGuestSymbols(MAP) as GuestSymbols;

describe('guest symbols', () => {
  test('text symbols only, in order', () => {
    expect(symbols().names).toEqual([
      '_text',
      'native_write_msr',
      'native_read_msr',
      'something_else',
      'default_idle',
      'alias_of_default_idle',
      'do_idle',
    ]);
  });
  test('names what an address lies in', () => {
    expect(symbolAt(symbols(), 0, at('0xffffffff81073914'))).toBe('native_write_msr+0x14');
    expect(symbolAt(symbols(), 0, at('0xffffffff81a17a0a'))).toBe('default_idle+0xa');
    expect(symbolAt(symbols(), 0, at('0xffffffff81073900'))).toBe('native_write_msr');
    expect(symbolAt(symbols(), 0, at('0xffffffff80000000'))).toBeNull();
    // Beyond the last function by more than any function is long.
    expect(symbolAt(symbols(), 0, at('0xffffffff9fffffff'))).toBeNull();
  });
  test('solves any offset of 2 MiB steps from exits in known functions', () => {
    fc.assert(
      fc.property(fc.integer({ min: -40, max: 511 }), fc.integer({ min: 0, max: 1e6 }), (steps, noise) => {
        const offset = steps * 2097152;
        const hot = [
          { address: at('0xffffffff81073914') + offset, exits: 522 },
          { address: at('0xffffffff81a17a0a') + offset, exits: 285 },
          { address: at('0xffffffff81200000') + noise, exits: 9 },
        ];
        expect(solveOffset(symbols(), hot)).toMatchObject({ offset });
      }),
    );
  });
  test('gives no offset without evidence', () => {
    expect(solveOffset(symbols(), [{ address: at('0xffffffff81200000'), exits: 1000 }])).toBeNull();
  });
  test('says what is wrong with a useless file', () => {
    expect(parseGuestSymbols('hello\n')).toBe('no symbols');
    expect(parseGuestSymbols('0000000000000000 T _text\n0000000000000000 t foo\n')).toBe('zero addresses');
    expect(parseGuestSymbols('')).toBe('no symbols');
  });
  test('takes any text', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseGuestSymbols(text)));
  });
  test('reads arm64 addresses exactly', () => {
    const arm = parseGuestSymbols(
      'ffff800008012340 T cpu_do_idle\nffff800008012360 T next\n',
    ) as GuestSymbols;
    expect(symbolAt(arm, 0x1a200000, at('0xffff80002221234c'))).toBe('cpu_do_idle+0xc');
    expect(solveOffset(arm, [{ address: at('0xffff80002221234c'), exits: 3 }])).toMatchObject({
      offset: 0x1a200000,
    });
  });
});

/**
 * Text symbols of the kernel that the guests of the x86 captures run, from /proc/kallsyms of a guest without KASLR; names
 * are cut to `_` but for those that matter here.
 */
const DEBIAN = gunzipSync(
  readFileSync(join(import.meta.dirname, 'fixtures/debian-6.1.0-56-cloud-amd64.map.gz')),
).toString('latin1');
/** Where this kernel idles without KASLR: behind the `hlt` of native_safe_halt(). */
const IDLE = 0xffffffff81a17a0an;
const X86 = join(SHARED, 'corpus/x86');
const folders = (HAS_SHARED ? readdirSync(X86) : []).filter(
  (folder) =>
    /^(k612-)?pf-/.test(folder) &&
    existsSync(join(X86, folder, 'perf.data')) &&
    existsSync(join(X86, folder, 'script-ns.txt.gz')),
);

describe('a real kernel and its guests', () => {
  const kernel = parseGuestSymbols(DEBIAN) as GuestSymbols;
  const offsetsOf = (folder: string) => {
    const rips = new Map<number, Map<string, number>>();
    for (const { exit, reason } of pairScript(readScript(join(X86, folder, 'script-ns.txt.gz')))) {
      const rip = / rip (0x\w+)/.exec(exit.text)?.[1];
      if (reason !== 'hlt' || rip === undefined) continue;
      const counts = rips.get(exit.pid) ?? new Map<string, number>();
      rips.set(exit.pid, counts.set(rip, (counts.get(rip) ?? 0) + 1));
    }
    return new Map(
      [...rips].map(([pid, counts]) => {
        const [[rip]] = [...counts].sort((a, b) => b[1] - a[1]);
        return [pid, BigInt(rip) - IDLE] as const;
      }),
    );
  };

  test('the captures are guests with KASLR and without', () => {
    if (!HAS_SHARED) return;
    const all = folders.flatMap((folder) => [...offsetsOf(folder).values()]);
    expect(all.filter((offset) => offset === 0n).length).toBeGreaterThan(5);
    expect(new Set(all.filter((offset) => offset !== 0n)).size).toBeGreaterThan(1);
    for (const offset of all) expect(offset % 0x200000n).toBe(0n);
  });

  test.skipIf(!HAS_SHARED).each(folders)(
    '%s: each VM has the offset that its idle loop tells',
    async (folder) => {
      const wanted = offsetsOf(folder);
      const options = await parseReportOptions({ section: ['hotspots'] });
      const model = await runReport([join(X86, folder, 'perf.data')], { ...options, guestSymbols: DEBIAN });
      const found = model.hotspots!.symbols!.offsets;
      for (const [pid, offset] of wanted) {
        const [own] = found.filter((entry) => entry.pid === pid || found.length === 1);
        expect([pid, own?.offset]).toEqual([pid, `0x${offset.toString(16)}`]);
      }
      const idle = model.hotspots!.rows.filter(({ name }) => name === 'hlt').map(({ symbol }) => symbol);
      expect(idle).toContain('native_safe_halt+0xa');
    },
  );

  test('no other offset speaks for the RIPs of a guest', () => {
    const rips = [0xffffffff87617a0an, 0xffffffff86c73914n];
    const hot = rips.map((rip, i) => ({
      address: kernelOffset(Number(rip & 0xffffffffn), Number(rip >> 32n))!,
      exits: 300 - i,
    }));
    expect(solveOffset(kernel, hot)).toMatchObject({ offset: 0x5c00000, addresses: 2 });
    // One address alone may fit several functions; the two together fit one offset only.
    for (const one of hot) expect(solveOffset(kernel, [one])).not.toBeNull();
  });
});
