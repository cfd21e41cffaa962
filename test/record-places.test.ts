/** Root records into a folder of somebody else, who exchanges what it made: nothing outside may be touched. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../src/commands/main.ts';
import type { Pipeline } from '../src/commands/options.ts';
import { UsageError } from '../src/core/errors.ts';
import { checkHost, readHostFacts } from '../src/record/checks.ts';
import { prepareOutput, removeTree } from '../src/record/output-place.ts';
import { giveTo } from '../src/record/qemu-file.ts';
import { REPO } from './support/corpus.ts';

let noHost: string | null = null;
try {
  checkHost(readHostFacts());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  noHost = `SKIPPED: ${error.message}`;
}

let folder: string;
let precious: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-places-'));
  precious = join(folder, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'file'), 'precious');
});
afterEach(() => {
  expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('precious');
  rmSync(folder, { recursive: true, force: true });
});

test('the capture goes into the file that was made for it, whatever has its name by then', async (ctx) => {
  if (noHost) return ctx.skip(noHost);
  const place = join(folder, 'place');
  mkdirSync(place);
  const helper = join(folder, 'helper');
  const sample = join(REPO, 'samples/intel-trace-dat/trace.dat');
  writeFileSync(
    helper,
    `#!/bin/sh\n[ "$1" = --version ] && { echo kvmtrace-capture 0; exit; }
echo '{"type":"start"}' >&3; while [ "$1" != -o ]; do shift; done; cp '${sample}' "$2"\n`,
  );
  chmodSync(helper, 0o755);
  const environment = {
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    env: {},
    loadPipeline: async (): Promise<Pipeline> => {
      const pipeline = await import('../src/commands/pipeline.ts');
      return {
        ...pipeline,
        runConvert: async (inputs, output, options) => {
          const work = readdirSync(place).find((name) => name.startsWith('.x.recording-'))!;
          renameSync(join(place, work), join(place, 'away'));
          mkdirSync(join(place, work));
          symlinkSync(join(precious, 'file'), join(place, work, 'capture.arrow'));
          return await pipeline.runConvert(inputs, output, options);
        },
      };
    },
  };
  await run(['record', '-q', '--helper', helper, '-o', join(place, 'x.arrow')], environment);
  expect(statSync(join(place, 'away/capture.arrow')).size).toBeGreaterThan(1000);
});

test('a folder that became a link is not removed through it', () => {
  const place = prepareOutput(join(folder, 'x.arrow'), 'trace.dat');
  const work = place.work();
  writeFileSync(join(work, 'part'), '');
  mkdirSync(join(work, 'deeper'));
  symlinkSync(precious, join(work, 'deeper/link'));
  renameSync(work, join(folder, 'away'));
  symlinkSync(precious, work);
  place.clear();
  removeTree(join(folder, 'away'));
  expect(readdirSync(folder).filter((name) => name === 'away')).toEqual([]);
});

test("QEMU's user gets the folder made for it, and none that a link leads to", (ctx) => {
  if (process.geteuid?.() !== 0) return ctx.skip('SKIPPED: needs root');
  const qemu = { pid: 1, uid: 65534, gid: 65534, cwd: null };
  const [ours, link] = ['ours', 'link'].map((name) => join(folder, name));
  mkdirSync(ours);
  symlinkSync(precious, link);
  expect([giveTo(ours, qemu), giveTo(link, qemu), giveTo(join(folder, 'none'), qemu)]).toEqual([
    true,
    false,
    false,
  ]);
  expect([ours, precious].map((path) => statSync(path).uid)).toEqual([65534, 0]);
});
