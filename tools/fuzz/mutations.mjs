/** Damage to recordings: bytes, names, numbers and the order of parts. Each takes bytes and gives other bytes. */
import { picker } from './random.mjs';

/** Names that a program may take for something else. Latin-1, so that bytes which are no UTF-8 are among them. */
export const NASTY_NAMES = [
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'isPrototypeOf',
  'length',
  '0',
  '17',
  '-',
  '-1',
  '',
  ' ',
  '=cmd()',
  '@SUM(1)',
  '+1',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '</script><!--',
  "'&quot;&amp;",
  '|`*_[x](y)',
  '\x1b[2J\x1b]0;x\x07',
  '\x9b31m',
  '\xe2\x80\xaegnp',
  '\xe2\x81\xa6x\xe2\x81\xa9',
  '\xef\xbb\xbfx',
  '\xed\xa0\x80',
  '\xff\xfe\x80',
  '\xf4\x90\x80\x80',
  'a\0b',
  'a\nb',
  'a\r\nb',
  'a,"b";c',
  '%n%s%d',
  '%',
  '$&$1',
  '../../x',
  '/etc/passwd',
  'kvm_exit',
  'kvm_entry',
  'sched_switch',
  'kvm:kvm_exit',
  'a: b: c',
  'a [000] 1.000000: kvm_exit:',
  'x'.repeat(300),
  '\xe6\xbc\xa2'.repeat(40),
  'y'.repeat(65536),
];

const NUMBERS = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x10000n]
  .concat(
    [31n, 32n, 33n, 48n, 53n, 62n, 63n, 64n].flatMap((bits) => [
      1n << bits,
      (1n << bits) - 1n,
      (1n << bits) + 1n,
    ]),
  )
  .concat([0x7ff8000000000000n, 0xfff0000000000000n, 2n ** 64n - 8n, 2n ** 64n - 2n]);
const WORDS = [
  'NaN',
  '-0',
  '1e99',
  '0x',
  '0xffffffffffffffff',
  '-9223372036854775808',
  '9'.repeat(40),
  '1.5',
  '',
];

const isText = (bytes) => !bytes.subarray(0, 512).includes(0);
const splice = (bytes, from, to, part) => Buffer.concat([bytes.subarray(0, from), part, bytes.subarray(to)]);

/** Where a word or a number is found, at or behind a random place. */
function findWord(bytes, pattern, { below, chance }) {
  const from = chance(0.5) ? below(Math.min(bytes.length, 4096)) : below(bytes.length);
  const text = bytes.toString('latin1', from, from + 8192);
  const found = [...text.matchAll(pattern)].slice(1);
  if (found.length === 0) return null;
  const match = found[below(Math.min(found.length, 40))];
  return { from: from + match.index, to: from + match.index + match[0].length, text: match[0] };
}

/** Puts nasty names in the place of words; binary formats mostly keep their sizes. */
export function mutateNames(bytes, random) {
  const pick = picker(random);
  let copy = bytes;
  for (let round = 1 + pick.below(4); round > 0; round--) {
    const word = findWord(copy, /[A-Za-z_][\w/.:+-]{2,80}|(?<=: ?)[^\n:]{1,30}(?=\n)/g, pick);
    if (!word) continue;
    let name = Buffer.from(pick.one(NASTY_NAMES), 'latin1');
    const size = word.to - word.from;
    if (!isText(copy) && pick.chance(0.85)) {
      const fill = pick.one([0, 0x20, 0x78]);
      name = Buffer.concat([name, Buffer.alloc(size, fill)]).subarray(0, size);
    }
    copy = splice(copy, word.from, word.to, name);
    if (pick.chance(0.6)) copy = replaceAll(copy, Buffer.from(word.text, 'latin1'), name);
  }
  return copy;
}

function replaceAll(bytes, from, to) {
  const parts = [];
  let at = 0;
  // A name of 64 KiB in a thousand places is another test.
  const most = to.length > 1000 ? 20 : 5000;
  for (
    let found = bytes.indexOf(from);
    found >= 0 && parts.length < 2 * most;
    found = bytes.indexOf(from, at)
  ) {
    parts.push(bytes.subarray(at, found), to);
    at = found + from.length;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

/** Puts extreme numbers in the place of numbers. */
export function mutateNumbers(bytes, random) {
  const pick = picker(random);
  let copy = Buffer.from(bytes);
  const text = isText(copy);
  for (let round = 1 + pick.below(4); round > 0 && copy.length > 16; round--) {
    const value = pick.one(NUMBERS);
    if (text) {
      const word = findWord(copy, /\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b/g, pick);
      const number = pick.chance(0.3)
        ? pick.one(WORDS)
        : pick.chance(0.5)
          ? value.toString(16)
          : String(value);
      if (word)
        copy = splice(copy, word.from, word.to, Buffer.from(pick.chance(0.1) ? `-${number}` : number));
      continue;
    }
    const size = pick.one([1, 2, 4, 4, 4, 8, 8, 8]);
    const near = pick.one([512, 4096, copy.length]);
    let at = pick.below(Math.min(near, copy.length - 8));
    if (pick.chance(0.3)) at = copy.length - 8 - at;
    if (pick.chance(0.8)) at -= at % Math.min(size, 4);
    const number = Buffer.alloc(8);
    // Where a number was, one near to it is the better lie.
    const shift = pick.chance(0.4)
      ? copy.readBigUInt64LE(at) + pick.one([1n, -1n, 8n, -8n, 0x100n, -0x100n, 4096n])
      : value;
    number.writeBigUInt64LE(BigInt.asUintN(64, shift));
    copy.set(number.subarray(0, size), at);
  }
  return copy;
}

/** Swaps, repeats and drops parts: lines of text, aligned blocks of binary files. */
export function mutateOrder(bytes, random) {
  const pick = picker(random);
  let copy = bytes;
  const text = isText(copy);
  const unit = text ? 1 : pick.one([4, 8, 64, 512, 4096]);
  const place = () => {
    const at = pick.below(copy.length);
    return text ? copy.indexOf(10, at) + 1 : at - (at % unit);
  };
  for (let round = 1 + pick.below(3); round > 0; round--) {
    const [a, b, c, d] = [place(), place(), place(), place()].sort((x, y) => x - y);
    switch (pick.below(4)) {
      case 0:
        copy = Buffer.concat([
          copy.subarray(0, a),
          copy.subarray(b, c),
          copy.subarray(a, b),
          copy.subarray(c),
        ]);
        break;
      case 1:
        if (copy.length < 8 << 20) copy = Buffer.concat([copy.subarray(0, c), copy.subarray(a)]);
        break;
      case 2:
        copy = Buffer.concat([copy.subarray(0, a), copy.subarray(Math.min(b, a + 64 * unit))]);
        break;
      default: {
        const part = copy.subarray(c, Math.min(d, c + 16 * unit));
        copy = Buffer.from(copy);
        copy.set(part.subarray(0, copy.length - a), a);
      }
    }
  }
  return copy;
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];

/** Flips, cuts, fills, drops and repeats bytes. */
export function mutateBytes(bytes, random) {
  const pick = (n) => Math.floor(random() * n);
  let copy = Buffer.from(bytes);
  const rounds = 1 + pick(8);
  for (let i = 0; i < rounds && copy.length > 0; i++) {
    // Half of the damage goes to the first bytes, where headers are.
    const at = random() < 0.5 ? pick(Math.min(copy.length, 4096)) : pick(copy.length);
    switch (pick(7)) {
      case 0:
        copy[at] ^= 1 << pick(8);
        break;
      case 1:
        copy[at] = INTERESTING[pick(INTERESTING.length)];
        break;
      case 2:
        copy = copy.subarray(0, at);
        break;
      case 3:
        copy.fill(INTERESTING[pick(INTERESTING.length)], at, Math.min(copy.length, at + 1 + pick(16)));
        break;
      case 4: {
        const size = 1 + pick(512);
        copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + size)]);
        break;
      }
      case 5: {
        const size = 1 + pick(512);
        const from = pick(copy.length);
        copy = Buffer.concat([copy.subarray(0, at), copy.subarray(from, from + size), copy.subarray(at)]);
        break;
      }
      default:
        if (at + 8 <= copy.length)
          copy.writeBigUInt64LE(BigInt.asUintN(64, BigInt(pick(2 ** 31)) << BigInt(pick(33))), at);
    }
  }
  return copy;
}

export const MUTATIONS = [mutateNames, mutateNumbers, mutateOrder, mutateBytes];
