/** The package: what is in it, and that it runs where nothing else is. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from './support/built.ts';
import { REPO } from './support/corpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-package-'));
const manifest = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'));
let files: string[] = [];
let tarball = '';

beforeAll(async () => {
  await ensureBuilt();
  // Without scripts: other tests use dist at the same time.
  const { stdout, stderr } = spawnSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    { cwd: REPO, encoding: 'utf8' },
  );
  const [packed] = JSON.parse(stdout || `[${JSON.stringify({ error: stderr })}]`);
  files = packed.files.map(({ path }: { path: string }) => path);
  tarball = join(folder, packed.filename);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('contents', () => {
  test('are what users need, and nothing of ours', () => {
    const allowed =
      /^(package\.json|README\.md|LICENSE|bin\/(kvmtrace\.js|package\.json)|dist\/bundle\/([\w-]+\.js|package\.json|LICENSES\.txt|cache-[\w.-]+\/[\w-]+\.js\.cache)|dist\/kernels\.wasm|docs\/[\w-]+\.(md|png)|docs\/man\/[\w-]+\.1|native\/(README\.md|Makefile|[\w-]+\.[ch])|samples\/(README\.md|intel-perf\/perf\.data))$/;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    for (const wanted of [
      'bin/kvmtrace.js',
      'bin/package.json',
      'dist/bundle/load.js',
      'dist/bundle/main.js',
      'dist/kernels.wasm',
      'dist/bundle/package.json',
      'dist/bundle/analysis-worker.js',
      'dist/bundle/qmp-guard.js',
      'dist/bundle/LICENSES.txt',
      'docs/man/kvmtrace.1',
      'native/Makefile',
    ])
      expect(files).toContain(wanted);
  });

  test('what is bundled has its source, and its licence if it is not ours', () => {
    const text = files
      .filter((file) => /^dist\/bundle\/.*\.js$/.test(file))
      .map((file) => readFileSync(join(REPO, file), 'utf8'))
      .join('\n');
    const ours = [...text.matchAll(/^\/\/ dist\/(.+)\.js$/gm)].map(([, module]) => `src/${module}.ts`);
    expect(ours.length).toBeGreaterThan(100);
    expect(ours.filter((file) => !existsSync(join(REPO, file)))).toEqual([]);
    const packages = [...text.matchAll(/^\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm)].map(
      ([, name]) => name,
    );
    expect(packages).toContain('commander');
    const licences = readFileSync(join(REPO, 'dist/bundle/LICENSES.txt'), 'utf8');
    for (const name of new Set(packages)) expect(licences).toMatch(new RegExp(`^${name} [\\d.]+$`, 'm'));
  });

  test('each module is in one file of the bundle', () => {
    const seen = new Map<string, string>();
    for (const file of files.filter((name) => /^dist\/bundle\/.*\.js$/.test(name)))
      for (const [, module] of readFileSync(join(REPO, file), 'utf8').matchAll(/^\/\/ (dist\/.+\.js)$/gm)) {
        expect(seen.get(module), module).toBeUndefined();
        seen.set(module, file);
      }
  });

  test('the manifest names files that are there', () => {
    const named = [...Object.values<string>(manifest.bin), ...manifest.man];
    for (const file of named) expect(files).toContain(file);
    expect(manifest.exports).toEqual({ './package.json': './package.json' });
  });

  test('what it runs on is pinned, and is what the lock file has', () => {
    const lock = JSON.parse(readFileSync(join(REPO, 'package-lock.json'), 'utf8'));
    for (const [name, version] of Object.entries<string>(manifest.dependencies)) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`].version, name).toBe(version);
    }
    expect(lock.packages[''].dependencies).toEqual(manifest.dependencies);
  });

  test('no script that runs at installation needs anything but the package', () => {
    for (const name of ['preinstall', 'install', 'postinstall'])
      expect(manifest.scripts[name]).toBeUndefined();
    // Where the sources are missing, as in the package, prepare does nothing.
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const { status } = spawnSync('sh', ['-c', manifest.scripts.prepare], {
      cwd: empty,
      env: { PATH: process.env.PATH },
    });
    expect(status).toBe(0);
  });
});

/** npm's own way; where no registry can be reached, the same layout by hand. */
function install(): string {
  const prefix = join(folder, 'prefix');
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '-g', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund', tarball],
    { cwd: folder, encoding: 'utf8', timeout: 90_000 },
  );
  if (status === 0) return join(prefix, 'bin/kvmtrace');
  if (status !== null && !/ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENOTCACHED|network/i.test(stderr))
    throw new Error(stderr);
  const root = join(folder, 'by-hand/kvmtrace');
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  spawnSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', root]);
  for (const name of Object.keys(manifest.dependencies))
    symlinkSync(join(REPO, 'node_modules', name), join(root, 'node_modules', name));
  return join(root, 'bin/kvmtrace.js');
}

test('it installs into an empty prefix and runs there', () => {
  const program = install();
  const call = (...args: string[]) => spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
  expect(call('--version').stdout).toBe(`kvmtrace ${manifest.version}\n`);
  const sample = join(REPO, 'samples/intel-perf/perf.data');
  const report = call('report', sample, '--format', 'json');
  expect([report.status, report.stderr]).toEqual([0, '']);
  const { expected } = {
    expected: JSON.parse(readFileSync(join(REPO, 'samples/intel-perf/expected.json'), 'utf8')),
  };
  expect(JSON.parse(report.stdout).quality.exits).toBe(expected['perf.data'].quality.exits);
  const capture = join(folder, 'capture.arrow');
  expect(call('convert', sample, '-o', capture, '-q').status).toBe(0);
  const diff = call('diff', sample, capture);
  expect(diff.stdout).toContain('No change beyond noise');
  expect(call('completion', 'bash').stdout).toContain('complete -F');
});
