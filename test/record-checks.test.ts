/** What stops a recording before it begins, each with what to do about it: host, helper, place. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../src/core/errors.ts';
import { checkHost, type HostFacts, readHostFacts } from '../src/record/checks.ts';
import { findHelper } from '../src/record/helper.ts';
import { moveIntoPlace, openPrivateFile, prepareOutput, sizeLimit } from '../src/record/output-place.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { REPO } from './support/corpus.ts';

let folder: string;
beforeAll(async () => {
  await ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-checks-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = () => {
  const path = join(folder, `f${count++}`);
  mkdirSync(path);
  return path;
};

/** Message and hint of what it throws. */
async function refusal(run: () => unknown): Promise<{ message: string; hint: string }> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return { message: (error as UsageError).message, hint: (error as UsageError).hint ?? '' };
  }
  throw new Error('it was not refused');
}

/** A host's file system as far as the checks look at it. */
function host(change: (root: string) => void = () => {}): string {
  const root = fresh();
  for (const path of [
    'proc/self',
    'sys/kernel/security',
    'sys/kernel/tracing/instances',
    'sys/kernel/tracing/events/kvm',
  ])
    mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'proc/self/status'), 'Name:\tnode\nCapEff:\t000001ffffffffff\n');
  writeFileSync(join(root, 'sys/kernel/security/lockdown'), '[none] integrity confidentiality\n');
  change(root);
  return root;
}

describe('the host', () => {
  test('is fine', () => {
    expect(() => checkHost(readHostFacts(host(), 'linux', 0))).not.toThrow();
    const old = host((root) => {
      mkdirSync(join(root, 'sys/kernel/debug'));
      cpSync(join(root, 'sys/kernel/tracing'), join(root, 'sys/kernel/debug/tracing'), { recursive: true });
      rmSync(join(root, 'sys/kernel/tracing'), { recursive: true });
    });
    expect(() => checkHost(readHostFacts(old, 'linux', 0))).not.toThrow();
    const powerpc = host((root) => {
      mkdirSync(join(root, 'sys/kernel/tracing/events/kvm_hv'));
      rmSync(join(root, 'sys/kernel/tracing/events/kvm'), { recursive: true });
    });
    expect(() => checkHost(readHostFacts(powerpc, 'linux', 0))).not.toThrow();
  });

  test.each<[string, string, string, () => HostFacts]>([
    ['not Linux', 'this is darwin', 'Record on the KVM host', () => readHostFacts(host(), 'darwin', 0)],
    [
      'locked down',
      'lockdown (confidentiality)',
      'Boot without lockdown=confidentiality',
      () =>
        readHostFacts(
          host((root) =>
            writeFileSync(join(root, 'sys/kernel/security/lockdown'), 'none integrity [confidentiality]\n'),
          ),
          'linux',
          0,
        ),
    ],
    [
      'no tracefs',
      'tracefs is not mounted',
      'mount -t tracefs nodev /sys/kernel/tracing',
      () =>
        readHostFacts(
          host((root) => rmSync(join(root, 'sys/kernel/tracing'), { recursive: true })),
          'linux',
          0,
        ),
    ],
    [
      'not root, tracefs hidden',
      'needs root',
      'sudo',
      () =>
        readHostFacts(
          host((root) => {
            rmSync(join(root, 'sys/kernel/tracing'), { recursive: true });
            writeFileSync(join(root, 'proc/self/status'), 'CapEff:\t0000000000000000\n');
          }),
          'linux',
          1000,
        ),
    ],
    [
      'not root',
      'CAP_SYS_ADMIN is missing',
      'sudo',
      () =>
        readHostFacts(
          host((root) => writeFileSync(join(root, 'proc/self/status'), 'CapEff:\t0000000000000000\n')),
          'linux',
          1000,
        ),
    ],
    [
      'read-only tracefs of a container',
      '/instances',
      '--privileged',
      () => ({ ...readHostFacts(host(), 'linux', 0), canMakeInstances: false }),
    ],
    [
      'KVM not loaded',
      'no KVM tracepoints',
      'modprobe kvm_intel',
      () =>
        readHostFacts(
          host((root) => rmSync(join(root, 'sys/kernel/tracing/events/kvm'), { recursive: true })),
          'linux',
          0,
        ),
    ],
  ])('%s', async (_name, message, hint, facts) => {
    const refused = await refusal(() => checkHost(facts()));
    expect(refused.message).toContain(message);
    expect(refused.hint).toContain(hint);
  });

  test('CAP_SYS_ADMIN alone is enough with write access to tracefs', () => {
    const root = host((path) => writeFileSync(join(path, 'proc/self/status'), 'CapEff:\t0000000000200000\n'));
    expect(readHostFacts(root, 'linux', 1000)).toMatchObject({ canAdmin: true, canMakeInstances: true });
    expect(() => checkHost(readHostFacts(root, 'linux', 1000))).not.toThrow();
  });
});

/** A package with sources that compile at once, of a program that answers as the helper does. */
function packageWith({ sources = true, built = '' } = {}): string {
  const root = join(fresh(), 'package');
  mkdirSync(join(root, 'native'), { recursive: true });
  if (sources)
    writeFileSync(
      join(root, 'native/main.c'),
      '#include <stdio.h>\nint main(void) { puts("kvmtrace-capture 9.9"); return 0; }\n',
    );
  if (built !== '') script(join(root, 'native/kvmtrace-capture'), built);
  return root;
}

function script(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const hasCompiler = spawnSync('cc', ['--version']).status === 0;
const quiet = { tell: () => {} };
const noTools = () => ({ PATH: fresh() });

describe('the helper', () => {
  const answers = 'echo kvmtrace-capture 1.0';
  test('is the one named, by option before environment', async () => {
    const one = script(join(folder, 'one'), answers);
    const two = script(join(folder, 'two'), answers);
    const search = { ...quiet, root: packageWith() };
    expect(await findHelper({ ...search, named: one, env: { KVMTRACE_HELPER: two } })).toBe(one);
    expect(await findHelper({ ...search, named: null, env: { KVMTRACE_HELPER: two } })).toBe(two);
  });
  test('is found in the package, in prebuilds, and next to the package', async () => {
    const root = packageWith({ sources: false });
    const search = { ...quiet, root, named: null, env: noTools() };
    const near = script(join(root, '../kvmtrace-capture'), answers);
    expect(await findHelper(search)).toBe(near);
    mkdirSync(join(root, `prebuilds/linux-${process.arch}`), { recursive: true });
    const prebuilt = script(join(root, `prebuilds/linux-${process.arch}/kvmtrace-capture`), answers);
    expect(await findHelper(search)).toBe(prebuilt);
    const built = script(join(root, 'native/kvmtrace-capture'), answers);
    expect(await findHelper(search)).toBe(built);
  });
  test.each([
    ['nowhere', () => join(folder, 'nowhere'), 'no such file'],
    ['a folder', () => fresh(), 'is not a file'],
    ['not executable', () => join(REPO, 'package.json'), 'not executable'],
    ['another program', () => script(join(folder, 'other'), 'echo hello'), 'is no kvmtrace-capture'],
    ['one that fails', () => script(join(folder, 'failing'), 'exit 3'), 'is no kvmtrace-capture'],
  ])('is refused: %s', async (_name, path, message) => {
    const named = path();
    const refused = await refusal(() => findHelper({ ...quiet, root: packageWith(), named, env: {} }));
    expect(refused.message).toContain(`--helper ${named}: `);
    expect(refused.message).toContain(message);
    expect(refused.hint).toContain('cc -O2 -static -pthread');
  });
  test('without one and without compiler: how to get one', async () => {
    const refused = await refusal(() =>
      findHelper({ ...quiet, root: packageWith(), named: null, env: noTools() }),
    );
    expect(refused.message).toContain('no C compiler (cc, gcc, clang)');
    for (const advice of ['--helper FILE', 'KVMTRACE_HELPER', 'apt-get install gcc', 'dnf install gcc'])
      expect(refused.hint).toContain(advice);
  });
  test('without one and without sources: install anew', async () => {
    const bin = noTools();
    script(join(bin.PATH, 'cc'), 'exit 0');
    const refused = await refusal(() =>
      findHelper({ ...quiet, root: packageWith({ sources: false }), named: null, env: bin }),
    );
    expect(refused.message).toContain('its sources');
  });
  test('a compiler that fails is quoted', async () => {
    const bin = noTools();
    script(join(bin.PATH, 'cc'), 'echo "/usr/bin/ld: cannot find -lc" >&2; exit 1');
    const root = packageWith();
    const refused = await refusal(() => findHelper({ ...quiet, root, named: null, env: bin }));
    expect(refused.message).toContain('cannot find -lc');
    expect(refused.hint).toContain('glibc-static');
    expect(readdirSync(join(root, 'native'))).toEqual(['main.c']);
  });
  test('is built once where a compiler is, which is said, and again when its sources changed', async (ctx) => {
    if (!hasCompiler) return ctx.skip('SKIPPED: no C compiler (cc)');
    const root = packageWith();
    const said: string[] = [];
    const search = { root, named: null, env: process.env, tell: (text: string) => void said.push(text) };
    const built = join(root, 'native/kvmtrace-capture');
    expect(await findHelper(search)).toBe(built);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(`building ${built}`);
    expect(await findHelper(search)).toBe(built);
    expect(said).toHaveLength(1);
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(root, 'native/main.c'), later, later);
    // Of a build that was interrupted, and of one that runs.
    for (const name of ['.build-old', '.build-now']) mkdirSync(join(root, 'native', name));
    const old = new Date(Date.now() - 3_600_000);
    utimesSync(join(root, 'native/.build-old'), old, old);
    await findHelper(search);
    expect(said).toHaveLength(2);
    expect(readdirSync(join(root, 'native')).sort()).toEqual(['.build-now', 'kvmtrace-capture', 'main.c']);
  });
  test('a failure of the static link falls back to a dynamic one', async (ctx) => {
    if (!hasCompiler) return ctx.skip('SKIPPED: no C compiler (cc)');
    const bin = noTools();
    const cc = spawnSync('sh', ['-c', 'command -v cc'], { encoding: 'utf8' }).stdout.trim();
    script(
      join(bin.PATH, 'cc'),
      `case " $* " in *" -static "*) exit 1;; esac\nexport PATH='${process.env.PATH}'; exec '${cc}' "$@"`,
    );
    const root = packageWith();
    expect(await findHelper({ ...quiet, root, named: null, env: bin })).toBe(
      join(root, 'native/kvmtrace-capture'),
    );
  });
  test('refusals reach the command line with status 2', async () => {
    const { status, stdout, stderr } = await kvmtrace(['record', '--helper', '/bin/true'], { cwd: fresh() });
    expect([status, stdout]).toEqual([2, '']);
    // On a machine that cannot record, that is said first.
    expect(stderr).toMatch(
      /^kvmtrace: (--helper \/bin\/true: is no kvmtrace-capture|.*(root|tracefs|KVM|Linux))/,
    );
  });
});

describe('the place', () => {
  test('existing files and links are refused, for each file of a recording', async () => {
    for (const name of ['x.arrow', 'x.dat', 'x.qemu-trace']) {
      const place = fresh();
      writeFileSync(join(place, name), 'precious');
      const refused = await refusal(() => prepareOutput(join(place, 'x.arrow'), 'trace.dat'));
      expect(refused.message).toContain(`${name} `);
      expect(refused.message).toContain('overwrites nothing');
      rmSync(join(place, name));
      symlinkSync(join(place, 'victim'), join(place, name));
      expect((await refusal(() => prepareOutput(join(place, 'x.arrow'), 'trace.dat'))).message).toContain(
        'symbolic link',
      );
      expect(readdirSync(place)).toEqual([name]);
    }
  });
  test('a folder that is not there names itself', () => {
    expect(() => prepareOutput(join(folder, 'none/x.arrow'), 'text')).toThrow(
      expect.objectContaining({ code: 'ENOENT', path: join(folder, 'none') }),
    );
  });
  test('files are private, and a file that appeared meanwhile is not replaced', async () => {
    const where = fresh();
    const place = prepareOutput(join(where, 'x.arrow'), 'trace.dat');
    expect(statSync(place.work()).mode & 0o777).toBe(0o700);
    const made = join(place.work(), 'new');
    closeSync(openPrivateFile(made));
    expect(statSync(made).mode & 0o777).toBe(0o600);
    expect(() => openPrivateFile(made)).toThrow('EEXIST');
    symlinkSync(join(where, 'victim'), place.capture);
    await refusal(() => moveIntoPlace(made, place.capture));
    expect(lstatSync(place.capture).isSymbolicLink()).toBe(true);
    expect(existsSync(join(where, 'victim'))).toBe(false);
    rmSync(place.capture);
    moveIntoPlace(made, place.capture);
    expect(lstatSync(place.capture).isFile()).toBe(true);
    place.clear();
    expect(readdirSync(where)).toEqual(['x.arrow']);
  });
  test('the size limit leaves room for the capture and for the host', async () => {
    const MB = 2 ** 20;
    const space = (free: number) => ({ free: free * MB, reserve: Math.min(256, free / 20) * MB });
    expect(sizeLimit('/x', null, false, space(1e6))).toBe(4096 * MB);
    expect(sizeLimit('/x', 8192 * MB, false, space(1e6))).toBe(8192 * MB);
    for (const free of [100, 500, 1000, 5000]) {
      const limit = sizeLimit('/x', null, false, space(free));
      expect(4 * limit).toBeLessThan(free * MB);
      expect(4 * limit).toBeGreaterThan(0.7 * free * MB);
      // Kernel's and QEMU's side, a copy of the latter, the capture of both.
      expect(9 * sizeLimit('/x', null, true, space(free))).toBeLessThan(free * MB);
    }
    const full = await refusal(() => sizeLimit('/x', null, false, space(20)));
    expect(full.message).toContain('only 20 MB free in /x');
    const large = await refusal(() => sizeLimit('/x', 600 * MB, false, space(1000)));
    expect(large.message).toContain('--max-size of 600 MB');
    expect(large.hint).toContain('at most --max-size 2');
  });
});

test('the package brings what a build needs', () => {
  const { files } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'));
  expect(files).toContain('native');
  const { scripts } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'));
  for (const hook of ['preinstall', 'install', 'postinstall']) expect(scripts[hook]).toBeUndefined();
});
