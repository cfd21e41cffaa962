/** `kvmtrace convert`: recordings of one host → one Arrow capture. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';
import { formatBytes, formatNs, plural } from '../core/units.ts';
import { describeLost } from '../report/trust.ts';
import type { Environment } from './environment.ts';
import type { ConvertSummary } from './options.ts';
import { createOutput } from './output.ts';
import { readTraceEvents } from './report-options.ts';
import { createPause, createProgress } from './terminal.ts';

export interface RawConvert {
  output?: string;
  quiet?: boolean;
  traceEvents?: string;
}

export async function convert(
  inputs: readonly string[],
  raw: RawConvert,
  environment: Environment,
): Promise<number> {
  const { output } = raw;
  if (output === undefined)
    throw new UsageError('convert needs an output', 'Name it: -o capture.arrow (- is standard output).');
  if (output === '-' && environment.stdout.isTTY)
    throw new UsageError('a capture is binary and standard output is a terminal', 'Use -o FILE or a pipe.');
  if (output !== '-' && !/\.arrows?$/i.test(output))
    throw new UsageError(
      `-o ${output}: a capture's name ends in .arrow`,
      'For reports use kvmtrace report -o FILE.',
    );
  const traceEvents = readTraceEvents(raw.traceEvents);
  return output === '-'
    ? await toStandardOutput(inputs, traceEvents, raw, environment)
    : await toFile(inputs, output, traceEvents, raw, environment);
}

async function run(
  inputs: readonly string[],
  path: string,
  traceEvents: string | null,
  raw: RawConvert,
  environment: Environment,
): Promise<ConvertSummary> {
  const progress = createProgress(environment.stderr, 'converting', raw.quiet === true, environment.env);
  try {
    const { runConvert } = await environment.loadPipeline();
    return await runConvert(inputs, path, { traceEvents, onProgress: progress.update, pause: createPause() });
  } finally {
    progress.clear();
  }
}

async function toFile(
  inputs: readonly string[],
  output: string,
  traceEvents: string | null,
  raw: RawConvert,
  environment: Environment,
): Promise<number> {
  const file = createOutput(output, inputs);
  try {
    const summary = await run(inputs, file.writePath, traceEvents, raw, environment);
    file.commit();
    if (!raw.quiet) tell(summary, output, environment);
    return 0;
  } finally {
    file.abort();
  }
}

/** The writer needs a file that it can go back in, so the pipe gets a copy. */
async function toStandardOutput(
  inputs: readonly string[],
  traceEvents: string | null,
  raw: RawConvert,
  environment: Environment,
): Promise<number> {
  const file = createOutput(join(tmpdir(), `kvmtrace-${randomUUID()}.arrow`));
  try {
    await run(inputs, file.writePath, traceEvents, raw, environment);
    for await (const chunk of createReadStream(file.writePath))
      await new Promise<void>((done, failed) =>
        environment.stdout.write(chunk, (error) => (error ? failed(error) : done())),
      );
    return 0;
  } finally {
    file.abort();
  }
}

/** One line and the warnings, on stderr: standard output is for data. */
function tell(summary: ConvertSummary, output: string, { stderr }: Environment): void {
  const { lost } = summary;
  const losses = lost.events === 0 && lost.regions === 0 ? '' : `; ${describeLost(lost)} had been lost`;
  const duration = summary.durationNs === null ? '' : ` over ${formatNs(summary.durationNs)}`;
  stderr.write(
    `${plainText(output)}: ${plural(summary.events, 'event')}${duration}, ${formatBytes(summary.bytes)}${losses}\n`,
  );
  for (const warning of summary.warnings)
    if (warning.severity !== 'info')
      stderr.write(`  ${plainText(warning.message)} [${plainText(warning.code)}]\n`);
}
