/** Where a command's output goes: which format for which -o, and all files or none. */
import { resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { Rendered } from '../report/renderers.ts';
import type { Environment } from './environment.ts';
import { createOutput, type OutputFile, writeToFile, writeToStream } from './output.ts';
import { type ColorChoice, terminalWidth, wantsColor } from './terminal.ts';

/** A renderer as far as the choice of one goes. */
export interface Format {
  readonly id: string;
  readonly extensions: readonly string[];
}

/** Where one rendering goes; null: standard output. */
export interface Target<F extends Format> {
  readonly renderer: F;
  readonly path: string | null;
}

export interface RawTargets {
  readonly output?: readonly string[];
  readonly format?: string;
  /** Written beside them. */
  readonly heatmap?: string;
}

/** --format decides; without it the file's ending, and the first format for standard output. */
export function chooseTargets<F extends Format>(
  { output, format, heatmap }: RawTargets,
  formats: readonly F[],
  command: string,
): Target<F>[] {
  const named = format === undefined ? null : findFormat(format, formats, command);
  const paths = output ?? ['-'];
  const places = [...paths, ...(heatmap === undefined || heatmap === '-' ? [] : [heatmap])].map((path) =>
    path === '-' ? path : resolve(path),
  );
  if (new Set(places).size < places.length) throw new UsageError('-o: the same output is named twice');
  return paths.map((path) => {
    if (path === '-') return { renderer: named ?? formats[0], path: null };
    const renderer = named ?? formatForPath(path, formats);
    if (renderer) return { renderer, path };
    if (/\.arrows?$/i.test(path))
      throw new UsageError(
        `-o ${path}: a capture is no ${command}`,
        `Make one with kvmtrace convert … -o ${path}`,
      );
    const endings = formats.flatMap(({ extensions }) => extensions.slice(0, 1)).join(' ');
    throw new UsageError(
      `-o ${path}: no format has this ending`,
      `Known endings: ${endings}; or say --format.`,
    );
  });
}

/** The format that a file's ending chooses (the longest that fits), or null. */
export function formatForPath<F extends Format>(path: string, formats: readonly F[]): F | null {
  const lower = path.toLowerCase();
  let found: { format: F; length: number } | null = null;
  for (const format of formats)
    for (const end of format.extensions)
      if (lower.endsWith(end) && end.length > (found?.length ?? 0)) found = { format, length: end.length };
  return found?.format ?? null;
}

function findFormat<F extends Format>(name: string, formats: readonly F[], command: string): F {
  const wanted = name.toLowerCase();
  const found = formats.find(({ id, extensions }) => id === wanted || extensions.includes(`.${wanted}`));
  if (found) return found;
  throw new UsageError(
    `--format: '${name}' is not a format of ${command}`,
    `Known: ${formats.map(({ id }) => id).join(', ')}.`,
  );
}

export interface Page {
  readonly color: boolean;
  readonly width: number | null;
}

/** All files or none: they are renamed when the last one is written. */
export async function writeTargets<F extends Format>(
  targets: readonly Target<F>[],
  inputs: readonly string[],
  color: ColorChoice,
  { stdout, env }: Environment,
  render: (renderer: F, page: Page) => Promise<Rendered>,
): Promise<void> {
  const files: OutputFile[] = [];
  try {
    for (const { renderer, path } of targets) {
      if (path === null) {
        const page = { color: wantsColor(color, stdout, env), width: terminalWidth(stdout) };
        await writeToStream(stdout, await render(renderer, page));
        continue;
      }
      const file = createOutput(path, inputs);
      files.push(file);
      await writeToFile(file, await render(renderer, { color: false, width: null }));
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.abort();
  }
}
