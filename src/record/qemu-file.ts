/**
 * The file of QEMU's simple trace backend, by `trace-file` of the human monitor (QEMU's trace/simple.c).
 *
 * A file that QEMU is writing (`-trace enable=…`) stays where it is: `trace-file set` and `on` truncate what they open,
 * so that switching it away and back would destroy somebody's recording. It is flushed and read from where it was at
 * the start. A file that is off is exchanged for one of ours meanwhile.
 */
import { chownSync, lchownSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { QemuProcess } from './qemu-process.ts';
import { quoteHmp } from './qemu-undo.ts';
import type { Qmp } from './qmp.ts';

export interface TraceFile {
  readonly name: string;
  readonly on: boolean;
}

/** Null: this QEMU was built without the simple backend. */
export async function readTraceFile(qmp: Qmp): Promise<TraceFile | null> {
  const match = /Trace file "(.*)" (on|off)\./s.exec(await qmp.hmp('trace-file'));
  return match ? { name: match[1], on: match[2] === 'on' } : null;
}

/** Where that file is for us: QEMU's names are relative to its working directory. Null if that is not known. */
export function pathOf(file: TraceFile, qemu: QemuProcess | null): string | null {
  if (isAbsolute(file.name)) return file.name;
  return qemu?.cwd ? join(qemu.cwd, file.name) : null;
}

/**
 * Lets QEMU write to a new file, in the first folder where it can; that file, or null if there is none. QEMU opens it
 * itself, as its own user: so the folder is private, given to that user, and its content is not trusted.
 */
export async function directTraceFile(
  qmp: Qmp,
  folders: readonly string[],
  qemu: QemuProcess | null,
): Promise<{ file: string; folder: string } | null> {
  for (const parent of folders) {
    const folder = join(resolve(parent), `kvmtrace-qemu-${process.pid}`);
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch {
      continue;
    }
    const file = join(folder, 'trace');
    if (qemu?.uid && process.geteuid?.() === 0) chownSync(folder, qemu.uid, qemu.gid);
    await qmp.hmp('trace-file off');
    await qmp.hmp(`trace-file set ${quoteHmp(file)}`);
    await qmp.hmp('trace-file on');
    const now = await readTraceFile(qmp);
    if (now?.on && now.name === file && lstatSync(file, { throwIfNoEntry: false })?.isFile())
      return { file, folder };
    await qmp.hmp('trace-file off');
    removeFolder(folder);
  }
  return null;
}

/**
 * Takes the folder back from QEMU's user, who from then on can exchange neither it nor its content: before anything in it
 * is read or removed by root. False if it is not our folder any more.
 */
export function takeBack(folder: string): boolean {
  try {
    if (process.geteuid?.() === 0) lchownSync(folder, 0, process.getegid?.() ?? 0);
    return lstatSync(folder).isDirectory();
  } catch {
    return false;
  }
}

export function removeFolder(folder: string): void {
  if (takeBack(folder)) rmSync(folder, { recursive: true, force: true });
}

/** `work` is closed to other users, so a QEMU that runs as one needs another place. */
export function foldersToTry(work: string, qemu: QemuProcess | null): string[] {
  const others = [dirname(work), tmpdir(), '/var/tmp'];
  return qemu === null || qemu.uid === process.geteuid?.() ? [work, ...others] : others;
}
