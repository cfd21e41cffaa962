/** `kvmtrace record`: checks, records with the native helper, converts to a capture. */
import { execFile } from 'node:child_process';
import { closeSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';
import { formatBytes, formatNs, plural } from '../core/units.ts';
import { checkHost, readHostFacts } from '../record/checks.ts';
import { findHelper } from '../record/helper.ts';
import { clearLeftovers } from '../record/leftovers.ts';
import { createLiveLine, type LiveLine } from '../record/live-line.ts';
import { isUnderNohup } from '../record/nohup.ts';
import {
  diskSpace,
  isCrowded,
  moveIntoPlace,
  type OutputPlace,
  openPrivateFile,
  prepareOutput,
  sizeLimit,
} from '../record/output-place.ts';
import { openQemu } from '../record/qemu-session.ts';
import { type RawRecord, type RecordOptions, readRecordOptions } from '../record/record-options.ts';
import { type Recorded, runRecording, WHY_NO_EVENTS } from '../record/run-recording.ts';
import { type SignalWatch, watchSignals } from '../record/signals.ts';
import { type MessageLine, parseStatusLine } from '../record/status-line.ts';
import { describeLost } from '../report/trust.ts';
import type { Environment } from './environment.ts';
import { describeError } from './errors.ts';
import type { ConvertSummary } from './options.ts';
import { readTraceEvents } from './report-options.ts';
import { createPause, createProgress } from './terminal.ts';

export async function record(
  command: readonly string[],
  raw: RawRecord,
  environment: Environment,
): Promise<number> {
  if (raw.cleanup) return await cleanUp(raw, environment);
  const options = readRecordOptions(raw, command);
  const traceEvents = readTraceEvents(raw.traceEvents);
  checkHost(readHostFacts(), options.rawKind !== 'perf.data');
  const live = createLiveLine(environment.stderr, options.quiet, environment.env);
  const tell = (text: string) => live.say(`kvmtrace: ${plainText(text)}`);
  const helper = await findHelper({ named: options.helper, env: environment.env, tell });
  clearLeftovers(dirname(options.output), (message, hint) => live.say(advised('kvmtrace', message, hint)));
  const place = prepareOutput(options.output, options.rawKind);
  const signals = watchSignals({
    tell,
    toTerminal: environment.stderr.isTTY === true,
    underNohup: isUnderNohup(environment.env),
  });
  try {
    const recorded = await recordTo(place, helper, options, live, signals, tell);
    if (signals.hungUp) live.silence();
    const { files, result } = recorded;
    for (const { message, hint } of result.errors) live.say(advised('kvmtrace', message, hint));
    const quiet = options.quiet || signals.hungUp;
    // Those that ended the recording; a further one ends the conversion.
    const stops = signals.count;
    const summary = await convertRecording(recorded, place, traceEvents, quiet, signals, environment);
    if (summary === null) {
      tellKept(place, recorded, signals, live);
      return signals.count > stops ? 130 : 2;
    }
    if (!options.keepRaw) for (const file of files) rmSync(file, { force: true });
    if (!quiet) describe(summary, recorded, options, place, live);
    return result.status === 0 ? 0 : 2;
  } finally {
    signals.close();
    place.clear();
  }
}

async function recordTo(
  place: OutputPlace,
  helper: string,
  options: RecordOptions,
  live: LiveLine,
  signals: SignalWatch,
  tell: (text: string) => void,
): Promise<Recorded> {
  const space = diskSpace(dirname(place.capture));
  const hasQemu = options.qmp !== null || options.qemuTrace !== null;
  const maxBytes = sizeLimit(dirname(place.capture), options.maxBytes, hasQemu, space);
  const qemu = await openQemu({
    qmp: options.qmp,
    file: options.qemuTrace,
    detail: options.detail,
    work: place.work,
    to: place.qemu,
    tell,
  });
  const message = (line: MessageLine) => {
    if (line.type === 'warning' || !options.quiet) live.say(advised('kvmtrace', line.message, line.hint));
  };
  try {
    return await runRecording({
      helper,
      options,
      maxBytes,
      reserve: space.reserve,
      place,
      qemu,
      live,
      signals,
      message,
    });
  } finally {
    await qemu.restore();
  }
}

class Interrupted extends Error {}

/** How often a conversion looks at the disk: it writes some ten MB meanwhile. */
const DISK_LOOK_MS = 100;

/** Null: it could not be converted, or was interrupted; the raw files stay. */
async function convertRecording(
  { files }: Recorded,
  place: OutputPlace,
  traceEvents: string | null,
  quiet: boolean,
  signals: SignalWatch,
  environment: Environment,
): Promise<ConvertSummary | null> {
  const { stderr, env } = environment;
  const before = signals.count;
  const pauses = createPause();
  const folder = dirname(place.capture);
  const checkDisk = () => {
    if (isCrowded(folder))
      throw new UsageError(
        `less than ${formatBytes(diskSpace(folder).reserve)} would be left free on the disk`,
        'Make room, or convert it to a file on another disk.',
      );
  };
  let lastLook = Date.now();
  const pause = () => {
    if (signals.count > before) throw new Interrupted();
    if (Date.now() - lastLook >= DISK_LOOK_MS) {
      lastLook = Date.now();
      checkDisk();
    }
    return pauses();
  };
  const progress = createProgress(stderr, 'converting', quiet, env);
  const target = join(place.work(), 'capture.arrow');
  // Written by its descriptor: in somebody else's folder there may be another file of this name by then.
  const fd = openPrivateFile(target);
  try {
    checkDisk();
    const { runConvert } = await environment.loadPipeline();
    const summary = await runConvert(files, fd, { traceEvents, onProgress: progress.update, pause });
    moveIntoPlace(target, place.capture);
    return summary;
  } catch (error) {
    progress.clear();
    if (!(error instanceof Interrupted) && !signals.hungUp) {
      const { lines } = describeError(error, files[0]);
      stderr.write(`kvmtrace: not converted: ${lines.join('\n')}\n`);
    }
    return null;
  } finally {
    closeSync(fd);
    progress.clear();
  }
}

function tellKept(place: OutputPlace, { files }: Recorded, signals: SignalWatch, live: LiveLine): void {
  if (signals.hungUp) live.silence();
  live.say(
    advised(
      'kvmtrace',
      `the recording is kept: ${files.join(', ')}`,
      `Convert it: kvmtrace convert ${files.join(' ')} -o ${place.capture}`,
    ),
  );
}

/** What was recorded, on stderr. */
function describe(
  summary: ConvertSummary,
  { why, files, result }: Recorded,
  options: RecordOptions,
  place: OutputPlace,
  live: LiveLine,
): void {
  const { events, lost } = summary;
  const span = summary.durationNs === null ? '' : ` over ${formatNs(summary.durationNs)}`;
  const losses = lost.events === 0 && lost.regions === 0 ? 'nothing lost' : `${describeLost(lost)} lost`;
  live.say(
    plainText(
      `${place.capture}: ${plural(events, 'event')}${span}, ${formatBytes(summary.bytes)}, ${losses}; ${why}`,
    ),
  );
  if (options.keepRaw) live.say(plainText(`  raw: ${files.join(', ')}`));
  if (events === 0)
    live.say(
      (result.end?.left ?? 0) > 0
        ? '  There were events, but no room for a page of them: give a larger --max-size.'
        : `  ${WHY_NO_EVENTS}`,
    );
  for (const warning of summary.warnings)
    if (warning.severity !== 'info') live.say(`  ${plainText(warning.message)} [${plainText(warning.code)}]`);
  if (events > 0) live.say(plainText(`  Look at it: kvmtrace report ${place.capture}`));
}

function advised(who: string, message: string, hint: string | null): string {
  return `${who}: ${plainText(message)}${hint === null ? '' : `\n  ${plainText(hint)}`}`;
}

/** `--cleanup`: what a crash of the recorder and its watchdog left in the kernel, and in the folder of recordings. */
async function cleanUp(raw: RawRecord, { stderr, env }: Environment): Promise<number> {
  const facts = readHostFacts();
  if (facts.platform !== 'linux' || facts.tracefs === null || !facts.canMakeInstances) checkHost(facts);
  const tell = (text: string) => void stderr.write(`kvmtrace: ${plainText(text)}\n`);
  const helper = await findHelper({ named: raw.helper ?? null, env, tell });
  const removed = clearLeftovers(
    dirname(raw.output ?? 'capture.arrow'),
    (message, hint) => void stderr.write(`${advised('kvmtrace', message, hint)}\n`),
  );
  const { status, output } = await new Promise<{ status: number; output: string }>((resolve) =>
    execFile(helper, ['--cleanup', '--status-json=1'], { maxBuffer: 1 << 20 }, (error, stdout) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 2) || 2, output: stdout }),
    ),
  );
  let refused: MessageLine | null = null;
  for (const line of output.split('\n').map(parseStatusLine)) {
    if (line === null || !('message' in line)) continue;
    if (line.type === 'error') refused ??= line;
    else if (line.code === 'clean' && removed > 0) continue;
    else if (line.type === 'warning' || !raw.quiet)
      stderr.write(`${advised('kvmtrace', line.message, line.hint)}\n`);
  }
  if (refused) throw new UsageError(refused.message, refused.hint ?? undefined);
  return status === 0 ? 0 : 2;
}
