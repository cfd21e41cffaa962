/** `kvmtrace info`: what one file is. */
import { UsageError } from '../core/errors.ts';
import type { Environment } from './environment.ts';
import { writeToStream } from './output.ts';
import { parseCount } from './parse-lists.ts';
import { option, readTraceEvents } from './report-options.ts';
import { type ColorChoice, createPause, createProgress, terminalWidth, wantsColor } from './terminal.ts';

export interface RawInfo {
  format?: string;
  rows?: string;
  quiet?: boolean;
  traceEvents?: string;
  color: ColorChoice;
}

const DEFAULT_ROWS = 40;

export async function info(input: string, raw: RawInfo, environment: Environment): Promise<number> {
  const format = raw.format?.toLowerCase() ?? 'text';
  if (format !== 'text' && format !== 'json')
    throw new UsageError(`--format: '${raw.format}' is not a format of info`, 'Known: text, json.');
  const rows = option('--rows', raw.rows, DEFAULT_ROWS, (text) => parseCount(text));
  const traceEvents = readTraceEvents(raw.traceEvents);
  const progress = createProgress(environment.stderr, 'reading', raw.quiet === true, environment.env);
  try {
    const { runInfo } = await environment.loadPipeline();
    const model = await runInfo(input, { traceEvents, onProgress: progress.update, pause: createPause() });
    progress.clear();
    const { stdout, env } = environment;
    if (format === 'json') {
      const { renderJson } = await import('../report/json.ts');
      await writeToStream(stdout, renderJson(model));
    } else {
      const { renderInfo } = await import('../report/info-text.ts');
      const color = wantsColor(raw.color, stdout, env);
      await writeToStream(stdout, renderInfo(model, { color, width: terminalWidth(stdout), rows }));
    }
    return 0;
  } finally {
    progress.clear();
  }
}
