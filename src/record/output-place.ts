/**
 * Where a recording goes: new files only, mode 0600, never through a symbolic link. They are made in a folder of their
 * own (0700) beside the target and linked into place when complete, so that nobody can put something in between.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { RawKind } from './record-options.ts';
import { makeWorkFolder } from './work-folder.ts';

const ENDINGS: Readonly<Record<RawKind, string>> = {
  'trace.dat': '.dat',
  text: '.txt',
  'perf.data': '.perf.data',
};
const MB = 1024 * 1024;
/** What a capture takes of a raw file's size, rounded up; what is left free on the disk in any case, or 5 % of it. */
const CAPTURE_PER_RAW = 3;
const RESERVE_BYTES = 256 * MB;
const MOST_BYTES = 4 * 1024 * MB;
/** Less room than this is no recording. */
const LEAST_BYTES = 8 * MB;

export interface OutputPlace {
  /** As the user named it. */
  readonly capture: string;
  readonly raw: string;
  /** QEMU's side of the raw recording. */
  readonly qemu: string;
  /** A folder of mode 0700 on the same file system, made when first asked for; removed by clear(). */
  work(): string;
  clear(): void;
}

/** Names of a recording's files; throws UsageError if one exists, Node's errors if the folder cannot be written. */
export function prepareOutput(capture: string, kind: RawKind): OutputPlace {
  const stem = capture.replace(/\.arrow$/i, '');
  const raw = stem + ENDINGS[kind];
  const qemu = `${stem}.qemu-trace`;
  refuseExisting(capture, '-o');
  const unfinished = `If it is of a recording that was killed: kvmtrace convert ${raw} -o ${capture}. Else choose`;
  refuseExisting(raw, 'the raw recording', unfinished);
  refuseExisting(qemu, "QEMU's side");
  const folder = dirname(capture);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw Object.assign(error as Error, { path: folder });
  }
  let made: string | null = null;
  return {
    capture,
    raw,
    qemu,
    work: () => (made ??= makeWorkFolder([capture, raw, qemu])),
    clear: () => {
      if (made !== null) removeTree(made);
      made = null;
    },
  };
}

function refuseExisting(path: string, what: string, choose = 'Choose'): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (stat.isSymbolicLink())
    throw new UsageError(
      `${path} (${what}) is a symbolic link, which a recording does not follow`,
      'Choose another name with -o.',
    );
  throw new UsageError(
    `${path} (${what}) exists; a recording overwrites nothing`,
    `${choose} another name with -o, or move it away.`,
  );
}

/** What a disk has: free for us, and to be left free. */
export interface DiskSpace {
  readonly free: number;
  readonly reserve: number;
}

export function diskSpace(folder: string): DiskSpace {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return { free: bavail * bsize, reserve: Math.min(RESERVE_BYTES, Math.floor((blocks * bsize) / 20)) };
}

/** Whether less is free than has to be. A disk that does not tell is not full. */
export function isCrowded(folder: string): boolean {
  try {
    const { free, reserve } = diskSpace(folder);
    return free < reserve;
  } catch {
    return false;
  }
}

/**
 * Bytes that the raw file may take, so that the capture fits beside it and the disk stays usable; with QEMU's side as much
 * again for what QEMU writes, which is copied before it is converted.
 */
export function sizeLimit(
  folder: string,
  wanted: number | null,
  hasQemu = false,
  { free, reserve } = diskSpace(folder),
): number {
  const files = hasQemu ? 3 + 2 * CAPTURE_PER_RAW : 1 + CAPTURE_PER_RAW;
  const room = Math.floor(Math.max(0, free - reserve) / files);
  const mb = (bytes: number) => Math.floor(bytes / MB);
  if (room < LEAST_BYTES)
    throw new UsageError(
      `only ${mb(free)} MB free in ${folder}: too little for a recording and its capture`,
      'Free some, or choose another place with -o.',
    );
  if (wanted !== null && wanted > room)
    throw new UsageError(
      `--max-size of ${mb(wanted)} MB and the capture made of it do not fit into ${mb(free)} MB free in ${folder}`,
      `Give at most --max-size ${mb(room)}M, or another place with -o.`,
    );
  return wanted ?? Math.min(room, MOST_BYTES);
}

/** An empty new file that only its owner reads, open for writing. */
export function openPrivateFile(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
}

/**
 * Removes a folder of ours with what is in it. Not by paths: whoever owns the folder around it may exchange it for a link
 * at any moment, and root would go through that.
 */
export function removeTree(folder: string): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  let fd: number;
  try {
    fd = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch {
    return; // Gone, or not ours any more.
  }
  try {
    if (fstatSync(fd).uid !== process.geteuid?.()) return;
    const inside = `/proc/self/fd/${fd}`;
    for (const entry of readdirSync(inside, { withFileTypes: true })) {
      const path = join(inside, entry.name);
      if (entry.isDirectory()) removeTree(path);
      else unlinkSync(path);
    }
    rmdirSync(folder);
  } catch {
    // Somebody is at it; what is left is closed to others.
  } finally {
    closeSync(fd);
  }
}

/** Puts a finished file under its name, which must still be free. */
export function moveIntoPlace(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') refuseExisting(to, 'made by somebody else meanwhile');
    // File systems without hard links (FAT, some network ones): the rename replaces a link, it does not follow it.
    if (existsSync(to)) throw error;
    renameSync(from, to);
    return;
  }
  rmSync(from);
}
