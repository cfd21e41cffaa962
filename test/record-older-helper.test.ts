/** An older kvmtrace-capture, which does not say when perf records: an error and what to do, not a wait without end. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UsageError } from '../src/core/errors.ts';
import { prepareOutput } from '../src/record/output-place.ts';
import { openQemu } from '../src/record/qemu-session.ts';
import { readRecordOptions } from '../src/record/record-options.ts';
import { runRecording } from '../src/record/run-recording.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-older-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What a recording with this helper, a script, fails with. */
async function failureOf(script: string): Promise<UsageError> {
  const helper = join(folder, 'helper');
  writeFileSync(helper, `#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done; echo perf >"$2"\n${script}\n`);
  chmodSync(helper, 0o755);
  const place = prepareOutput(join(folder, 'x.arrow'), 'perf.data');
  const tell = () => {};
  const error = await runRecording({
    helper,
    options: readRecordOptions({ output: place.capture, backend: 'perf' }, []),
    maxBytes: 1 << 20,
    reserve: 1,
    place,
    qemu: await openQemu({ qmp: null, file: null, detail: false, work: place.work, to: place.qemu, tell }),
    live: { draw: tell, say: tell, sayElsewhere: tell, clear: tell, silence: tell },
    signals: { count: 0, hungUp: false, underNohup: false, listen: tell, close: tell },
    message: tell,
    perfBeginsWithinMs: 1500,
  }).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect(readdirSync(folder)).toEqual(['helper']);
  return error;
}

test.each([
  ['that records until it is stopped', "trap 'exit 0' INT; while :; do sleep 0.1; done", 'within 2 s'],
  ['whose time is over', 'exit 0', 'ended without having said'],
])('one %s', async (_name, script, said) => {
  const { message, hint } = await failureOf(script);
  expect(message).toContain(said);
  expect(message).toContain('older than this kvmtrace');
  expect(hint).toMatch(/native\/README\.md.*without --backend perf/);
});
