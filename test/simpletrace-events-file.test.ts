/** trace-events-all: its syntax against QEMU's own file, and where it is looked for. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { readSymbolFile } from '../src/commands/read-symbol-file.ts';
import { UsageError } from '../src/core/errors.ts';
import { parseDeclaration, parseTraceEvents } from '../src/parsers/qemu-events/trace-events.ts';
import { findTraceEvents, readTraceEventsFile } from '../src/parsers/simpletrace/find-events.ts';
import { SAMPLES } from './support/corpus.ts';
import { load } from './support/qemu-traces.ts';

describe('syntax', () => {
  test('the whole file of a QEMU build', () => {
    const text = load(path.join(SAMPLES, 'qemu-simpletrace/trace-events-all.gz')).toString();
    const { byName, numbered, unreadable } = parseTraceEvents(text);
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
    expect(unreadable).toBe(0);
    expect([...byName.keys()]).toEqual(lines.map((line) => /(\w+)\(/.exec(line)![1]));
    // 15 of 5062 are disabled.
    expect([byName.size, numbered.length]).toEqual([5062, 5047]);
    for (const line of lines) {
      const name = /(\w+)\(/.exec(line)![1];
      const list = /\(([^)]*)\)/.exec(line)![1].trim();
      const hidden = /^vcpu /.test(line) ? 1 : 0;
      expect(byName.get(name)!.args.length, name).toBe(
        hidden + (list === 'void' ? 0 : list.split(',').length),
      );
    }
  });

  test.each([
    ['a_b(void) ""', [], []],
    ['a_b(const char *s) "%s"', ['s'], [true]],
    [
      'a_b(char *s, const char* t, char* u, const char * v) "x"',
      ['s', 't', 'u', 'v'],
      [true, true, true, true],
    ],
    [
      'a_b(char **s, unsigned char *t, uint8_t *u, void *v, const void *w) ""',
      ['s', 't', 'u', 'v', 'w'],
      [false, false, false, false, false],
    ],
    ['a_b(struct X *const x, unsigned long long y) "(%d, %d)"', ['x', 'y'], null],
    ['a_b(const int line, char c) "a, b"', ['line', 'c'], [false, false]],
    ['vcpu a_b(int x) "%d"', ['__cpu', 'x'], [false, false]],
  ])('%s', (line, names, strings) => {
    const declaration = parseDeclaration(line);
    if (strings === null) return expect(declaration).toBeNull();
    expect(declaration!.args.map(({ name }) => name)).toEqual(names);
    expect(declaration!.args.map(({ isString }) => isString)).toEqual(strings);
  });

  test.each(['', 'no parentheses', 'a_b(int x', 'a-b(int x) ""', 'a_b() ""', 'a_b(int) ""', '<html>(x y)'])(
    'refuses %s',
    (line) => {
      expect(parseDeclaration(line)).toBeNull();
    },
  );

  test('lines of something else are counted', () => {
    expect(parseTraceEvents('one\ntwo\n# three\nok(int x) "%d"\n')).toMatchObject({ unreadable: 2 });
  });
});

describe('finding the file', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'kvmtrace-events-'));
  afterAll(() => rmSync(root, { recursive: true }));
  const folder = path.join(root, 'run');
  mkdirSync(folder);
  const trace = path.join(folder, 'trace.bin');

  test('beside the recording before one folder up, plain or gzipped; never for standard input', () => {
    expect(findTraceEvents(trace)).toBeNull();
    writeFileSync(path.join(root, 'trace-events-all.gz'), gzipSync('up(void) ""\n'));
    expect(findTraceEvents(trace)).toEqual({
      path: path.join(root, 'trace-events-all.gz'),
      text: 'up(void) ""\n',
    });
    writeFileSync(path.join(folder, 'trace-events-all'), 'beside(void) ""\n');
    expect(findTraceEvents(trace)?.text).toBe('beside(void) ""\n');
    expect(findTraceEvents('-')).toBeNull();
  });

  test('a damaged or missing file is an error when it was named, and none when it was only found', () => {
    const bad = path.join(folder, 'trace-events-all');
    writeFileSync(bad, gzipSync('x'.repeat(1000)).subarray(0, 15));
    expect(() => readTraceEventsFile(bad)).toThrow(UsageError);
    expect(() => readTraceEventsFile(path.join(folder, 'not-there'))).toThrow(/ENOENT/);
    expect(findTraceEvents(trace)?.text).toBe('up(void) ""\n');
  });

  test('a file that unpacks without end is refused', () => {
    const bomb = path.join(folder, 'bomb.gz');
    writeFileSync(bomb, gzipSync(Buffer.alloc(80 << 20)));
    expect(() => readTraceEventsFile(bomb)).toThrow(/too large/);
  });
  test.skipIf(!existsSync('/dev/zero'))('nor is a device read without end, whatever the option', () => {
    expect(() => readTraceEventsFile('/dev/zero')).toThrow(/too large/);
    expect(() => readSymbolFile('/dev/zero')).toThrow(/too large/);
    expect(() => readSymbolFile(folder)).toThrow(expect.objectContaining({ code: 'EISDIR', path: folder }));
  });
});
