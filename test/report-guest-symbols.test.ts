/** Guest symbols: parsing, and solving the offset that KASLR gave the guest. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type GuestSymbols,
  kernelOffset,
  parseGuestSymbols,
  solveOffset,
  symbolAt,
} from '../src/report/guest-symbols.ts';

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
