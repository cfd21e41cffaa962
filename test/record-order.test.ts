/** Order of what ends when a recording does. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareOutput } from '../src/record/output-place.ts';
import { readRecordOptions } from '../src/record/record-options.ts';
import { runRecording } from '../src/record/run-recording.ts';

test("QEMU's side ends with the helper, not with the watchdog that finishes the file of one that was killed", async (ctx) => {
  if (process.platform !== 'linux') return ctx.skip('SKIPPED: not Linux');
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-order-'));
  const watchdog = join(folder, 'kvmtrace-watch');
  const helper = join(folder, 'helper');
  copyFileSync('/bin/sleep', watchdog);
  chmodSync(watchdog, 0o755);
  writeFileSync(
    helper,
    `#!/bin/sh
'${watchdog}' 1.5 </dev/null >/dev/null 2>&1 3>&- & echo $! >'${folder}/pid'
echo '{"type":"start","watchdog":'$!'}' >&3; while [ "$1" != -o ]; do shift; done; echo junk >"$2"; sleep 0.3; kill -9 $$\n`,
  );
  chmodSync(helper, 0o755);
  const place = prepareOutput(join(folder, 'x.arrow'), 'trace.dat');
  const nothing = () => {};
  const isFinishing = () => existsSync(`/proc/${readFileSync(join(folder, 'pid'), 'utf8').trim()}`);
  const seen: boolean[] = [];
  const { why } = await runRecording({
    helper,
    options: readRecordOptions({ output: place.capture }, []),
    maxBytes: 1 << 20,
    reserve: 1,
    place,
    qemu: {
      active: true,
      begin: async () => {},
      bytes: () => 0,
      isDiskCrowded: () => false,
      end: async () => {
        seen.push(isFinishing());
        return false;
      },
      restore: async () => {},
    },
    live: { draw: nothing, say: nothing, sayElsewhere: nothing, clear: nothing, silence: nothing },
    signals: { count: 0, hungUp: false, underNohup: false, listen: nothing, close: nothing },
    message: nothing,
  });
  expect([seen, isFinishing(), why]).toEqual([[true], false, 'the recorder was killed (SIGKILL)']);
  rmSync(folder, { recursive: true, force: true });
});
