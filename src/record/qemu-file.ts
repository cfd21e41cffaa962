/**
 * The file of QEMU's simple trace backend, by `trace-file` of the human monitor (QEMU's trace/simple.c).
 *
 * A file that QEMU is writing (`-trace enable=…`) stays where it is: `trace-file set` and `on` truncate what they open,
 * so that switching it away and back would destroy somebody's recording. It is flushed and read from where it was at
 * the start. A file that is off is exchanged for one of ours meanwhile.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { moveIntoPlace, removeTree } from './output-place.ts';
import type { QemuProcess } from './qemu-process.ts';
import { type OurTraceFile, quoteHmp } from './qemu-undo.ts';
import type { Qmp } from './qmp.ts';
import { sliceTrace, traceSize } from './slice-trace.ts';

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
 * itself, as its own user: so the folder is private, given to that user, and its content is not trusted. `announce`
 * hears of every file before it is there, and of the one taken.
 *
 * What a QEMU whose file is off has recorded of events that are on stays in its memory (256 KB) until a file is
 * switched on: the first thing in ours. It is flushed, and what follows is the recording.
 */
export async function directTraceFile(
  qmp: Qmp,
  folders: readonly string[],
  qemu: QemuProcess | null,
  { work, to }: Pick<OurTraceFile, 'work' | 'to'>,
  announce: (ours: OurTraceFile) => Promise<void>,
): Promise<OurTraceFile | null> {
  for (const parent of folders) {
    const folder = join(resolve(parent), `kvmtrace-qemu-${process.pid}`);
    const file = join(folder, 'trace');
    await announce({ file, folder, begin: 0, work, to });
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch {
      continue;
    }
    if (qemu?.uid && process.geteuid?.() === 0 && !giveTo(folder, qemu)) continue;
    await qmp.hmp('trace-file off');
    await qmp.hmp(`trace-file set ${quoteHmp(file)}`);
    await qmp.hmp('trace-file on');
    const now = await readTraceFile(qmp);
    if (now?.on && now.name === file && lstatSync(file, { throwIfNoEntry: false })?.isFile()) {
      await qmp.hmp('trace-file flush');
      const ours = { file, folder, begin: traceSize(file), work, to };
      await announce(ours);
      return ours;
    }
    await qmp.hmp('trace-file off');
    removeFolder(folder);
  }
  return null;
}

/** The folder that we made: somebody else's folder around it may hold a link of that name by now. */
export function giveTo(folder: string, { uid, gid }: QemuProcess): boolean {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  const ours = fstatSync(fd).uid === process.geteuid?.();
  if (ours) fchownSync(fd, uid, gid);
  closeSync(fd);
  return ours;
}

/**
 * Takes the folder back from QEMU's user, who from then on can exchange neither it nor its content: before anything in it
 * is read or removed by root. False if it is not our folder any more.
 */
function takeBack(folder: string): boolean {
  try {
    if (process.geteuid?.() === 0) lchownSync(folder, 0, process.getegid?.() ?? 0);
    return lstatSync(folder).isDirectory();
  } catch {
    return false;
  }
}

export function removeFolder(folder: string): void {
  if (takeBack(folder)) removeTree(folder);
}

/** Puts what QEMU wrote for us where it belongs, once its file is off; bytes of events. Killed at any point, it can be
 * done again: the file appears under its name when it is complete. */
export function collect({ file, folder, begin, work, to }: OurTraceFile): number {
  const part = join(work, 'qemu-trace');
  rmSync(part, { force: true });
  const bytes = takeBack(folder) ? sliceTrace(file, begin, part, true) : 0;
  if (bytes > 0) moveIntoPlace(part, to);
  removeFolder(folder);
  return bytes;
}

/** The same in place of a recorder that is dead, and nothing of it stays. */
export function collectForTheDead(ours: OurTraceFile): void {
  try {
    collect(ours);
  } catch {
    // It died after its file was in place.
    removeFolder(ours.folder);
  }
  removeTree(ours.work);
}

/** `work` is closed to other users, so a QEMU that runs as one needs another place. */
export function foldersToTry(work: string, qemu: QemuProcess | null): string[] {
  const others = [dirname(work), tmpdir(), '/var/tmp'];
  return qemu === null || qemu.uid === process.geteuid?.() ? [work, ...others] : others;
}
