/** A comparison without names of machines and files, process and thread numbers (--redact). */
import type { DiffModel, DiffSideModel } from './model.ts';

export function redactDiff(model: DiffModel): DiffModel {
  const hosts = new Map<string, string>();
  const side = (name: string, { capture, ...rest }: DiffSideModel): DiffSideModel => {
    const { host } = capture;
    if (host !== null && !hosts.has(host)) hosts.set(host, `host-${hosts.size + 1}`);
    return {
      ...rest,
      capture: {
        ...capture,
        host: host === null ? null : hosts.get(host)!,
        sources: capture.sources.map((source, i) => ({
          ...source,
          path: capture.sources.length > 1 ? `${name}-${i + 1}` : name,
        })),
        facts: {},
      },
    };
  };
  return {
    ...model,
    before: side('before', model.before),
    after: side('after', model.after),
    // The command line names files and processes.
    ...(model.reproduce && {
      reproduce: {
        ...model.reproduce,
        command: [],
        inputs: model.reproduce.inputs.map(({ sha256 }, i) => ({
          path: i === 0 ? 'before' : 'after',
          sha256,
        })),
      },
    }),
    selection: model.selection && {
      ...model.selection,
      filters: model.selection.filters.map((words, i) => {
        const kind = model.selection!.kinds[i];
        return kind === 'pid' || kind === 'tid' ? `${kind} (redacted)` : words;
      }),
    },
  };
}
