/** The rooms of src/ and which of them may import which: docs/architecture.md, held to. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPO } from './support/corpus.ts';

const SRC = join(REPO, 'src');
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .sort();
const SOURCES = FILES.filter((file) => file.endsWith('.ts'));

/** What each room may import besides itself. Arrows never run back up. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  isa: ['core'],
  parsers: ['core', 'isa'],
  // What the format of captures is, its reader says.
  capture: ['core', 'isa', 'parsers/capture-arrow'],
  analysis: ['core', 'isa'],
  report: ['core', 'isa', 'analysis'],
  record: ['core'],
  commands: ['core', 'isa', 'parsers', 'capture', 'analysis', 'report', 'record'],
  // Constants only: the test below.
  kernels: ['core', 'parsers', 'capture', 'analysis'],
};

/** Folders of parsers/ that formats share; the others are formats. */
const SHARED_BY_FORMATS = ['text', 'tracepoint', 'qemu-events'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly lazy: boolean;
  readonly typeOnly: boolean;
}

const IMPORTS: readonly Import[] = SOURCES.flatMap((from) =>
  [
    ...read(from).matchAll(
      /^(?:import|export) (?<type>type )?(?:[^;']*? from )?'(?<path>\.[^']+)'|\bimport\('(?<lazy>\.[^']+)'\)/gm,
    ),
  ].map(({ groups }) => ({
    from,
    to: join(dirname(from), groups!.path ?? groups!.lazy),
    lazy: groups!.lazy !== undefined,
    typeOnly: groups!.type !== undefined,
  })),
);

function read(file: string): string {
  return readFileSync(join(SRC, file), 'utf8');
}

function roomOf(file: string): string {
  return file.slice(0, file.indexOf('/'));
}

const within = (file: string, folder: string) => file.startsWith(`${folder}/`);
const shown = (imports: readonly Import[]) => imports.map(({ from, to }) => `${from} imports ${to}`);

test('every file is in a room', () => {
  expect(new Set(SOURCES.map(roomOf))).toEqual(new Set(Object.keys(MAY_IMPORT)));
  expect(IMPORTS.length).toBeGreaterThan(SOURCES.length);
});

test('every import is of a file that exists', () => {
  expect(shown(IMPORTS.filter(({ to }) => !SOURCES.includes(to)))).toEqual([]);
});

test.each(Object.entries(MAY_IMPORT))('%s imports nothing from above', (room, allowed) => {
  const others = IMPORTS.filter(({ from, to }) => roomOf(from) === room && roomOf(to) !== room);
  expect(shown(others.filter(({ to }) => !allowed.some((folder) => within(to, folder))))).toEqual([]);
});

test.each(['isa', 'analysis', 'report'])('%s reads and writes no files', (room) => {
  const users = SOURCES.filter((file) => within(file, room) && read(file).includes("from 'node:fs"));
  expect(users).toEqual([]);
});

test('kernels take nothing but numbers from other rooms', () => {
  const shared = IMPORTS.filter(({ from, to }) => roomOf(from) === 'kernels' && roomOf(to) !== 'kernels');
  for (const file of new Set(shared.map(({ to }) => to))) {
    const statements = read(file)
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
      .split(/;\s*/)
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '');
    expect(
      statements.filter((statement) => !/^((export )?const \w+( = |: )|import \{)/.test(statement)),
      file,
    ).toEqual([]);
  }
});

describe('in parsers', () => {
  const formatOf = (file: string) => /^parsers\/([^/]+)\//.exec(file)?.[1] ?? '';
  const ofFormats = IMPORTS.filter(
    ({ from, to }) =>
      formatOf(to) !== '' && formatOf(from) !== formatOf(to) && !SHARED_BY_FORMATS.includes(formatOf(to)),
  ).filter(({ from }) => roomOf(from) === 'parsers');

  test('only the registry knows the formats', () => {
    const others = ofFormats.filter(({ from }) => from !== 'parsers/registry.ts');
    // A trace.dat of a latency tracer holds the text of tracefs as it is.
    expect(shown(others)).toEqual(['parsers/trace-dat/latency-text.ts imports parsers/ftrace-text/index.ts']);
  });

  test('the registry loads each when an input may be of it', () => {
    expect(ofFormats.filter(({ from, lazy }) => from === 'parsers/registry.ts' && !lazy)).toEqual([]);
  });
});

describe('in report', () => {
  /** What fills the model, and what knows of the analyses that a section or view asks for. */
  const BUILDERS =
    /^report\/((diff\/|advice\/)?build|views\/|diff\/(figures|qemu)\.ts|(detail-names|exit-figures|group-sums|heatmap-lines|recorded|sections)\.ts)/;

  test('a renderer knows of no analysis', () => {
    const analyses = IMPORTS.filter(({ from, to }) => roomOf(from) === 'report' && roomOf(to) === 'analysis');
    expect(shown(analyses.filter(({ from }) => !BUILDERS.test(from)))).toEqual([]);
  });
});

test('no two files need each other to be loaded', () => {
  const needs = new Map(SOURCES.map((file) => [file, [] as string[]]));
  for (const { from, to, lazy, typeOnly } of IMPORTS) if (!lazy && !typeOnly) needs.get(from)!.push(to);
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const next of needs.get(file)!) follow(next, [...path, file]);
    done.add(file);
  };
  for (const file of SOURCES) follow(file, []);
  expect(circles).toEqual([]);
});

describe('a README', () => {
  const READMES = FILES.filter((file) => file.endsWith('README.md'));

  test('stands in every room', () => {
    expect(READMES).toEqual(
      expect.arrayContaining(Object.keys(MAY_IMPORT).map((room) => `${room}/README.md`)),
    );
  });

  test.each([...READMES.map((file) => `src/${file}`), 'docs/architecture.md'])(
    '%s names files that exist',
    (page) => {
      const text = readFileSync(join(REPO, page), 'utf8');
      const names = [...text.matchAll(/`(?:\.\.\/)*([a-z0-9./-]+\.(?:ts|mjs|cjs))`/g)].map(
        ([, name]) => name,
      );
      const known = (name: string) =>
        existsSync(join(REPO, name)) || FILES.some((file) => `/${file}`.endsWith(`/${name}`));
      expect(names.filter((name) => !known(name))).toEqual([]);
    },
  );
});
