/**
 * Work folders of recordings that were killed. The raw file is beside them and stays; what is in them (half a capture) is of no
 * use. The next recording into the same folder, or --cleanup, removes them and tells.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from './output-place.ts';
import { isWorkFolder, readWorkFolder } from './work-folder.ts';

/** Removes them from this folder; how many. What is kept, and what is worth something, is told. */
export function clearLeftovers(folder: string, tell: (message: string, hint: string | null) => void): number {
  let names: string[];
  try {
    names = readdirSync(folder).filter(isWorkFolder);
  } catch {
    return 0; // Whoever needs it will say so.
  }
  let removed = 0;
  for (const name of names) {
    const path = join(folder, name);
    const found = readWorkFolder(path);
    if (found === null || !found.dead) continue;
    if (found.qemuIsOn) {
      tell(
        `${path} is left of a recording that was killed together with the process that guards QEMU, which may still write its trace`,
        `In QEMU's monitor: trace-file (tells where to), trace-event kvm_run_exit off, trace-file off. Then take the trace, and remove ${path}.`,
      );
      continue;
    }
    removeTree(path);
    removed++;
    const [capture, ...raw] = found.files.map((file) => join(folder, file));
    const kept = existsSync(capture) ? [] : raw.filter((file) => existsSync(file));
    tell(
      `removed ${path}, left of a recording that was killed before its capture was complete`,
      kept.length > 0
        ? `What it recorded is kept. Convert it: kvmtrace convert ${kept.join(' ')} -o ${capture}`
        : null,
    );
  }
  return removed;
}
