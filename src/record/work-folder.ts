/** Folders in which recordings put what is not complete. Each says whose it is, so that those of the dead are known. */
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { readProcess } from './process-state.ts';

const OWNER = 'owner';
/** The process that would still put something into it when its owner is killed (qmp-guard.ts). */
const GUARD = 'guard';
/** As makeWorkFolder() names them. */
const NAME = /^\..*\.recording-\w{6}$/s;

interface Owner {
  readonly host: string;
  readonly boot: string;
  /** Process numbers mean others in another namespace. */
  readonly namespace: string;
  readonly pid: number;
  readonly start: string;
  readonly files: readonly string[];
}

const bootId = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const pidNamespace = () => readlinkSync('/proc/self/ns/pid');

/** Mode 0700. `files`: the capture, which gives it its name and place, then what the capture is made of. */
export function makeWorkFolder(files: readonly string[]): string {
  const stem = basename(files[0]).replace(/\.arrow$/i, '');
  const folder = mkdtempSync(join(dirname(files[0]), `.${stem.slice(0, 100)}.recording-`));
  note(folder, OWNER, process.pid, files);
  return folder;
}

/** Before QEMU is changed. */
export const noteGuard = (folder: string, pid: number) => note(folder, GUARD, pid, []);

/** QEMU is as before. */
export const dropGuard = (folder: string) => rmSync(join(folder, GUARD), { force: true });

function note(folder: string, name: string, pid: number, files: readonly string[]): void {
  try {
    const owner: Owner = {
      host: hostname(),
      boot: bootId(),
      namespace: pidNamespace(),
      pid,
      start: readProcess(pid)?.start ?? '',
      files: files.map((file) => basename(file)),
    };
    writeFileSync(join(folder, name), JSON.stringify(owner), { mode: 0o600, flag: 'wx' });
  } catch {
    // A full disk, no /proc: then nobody but us will remove it.
  }
}

/** Only where that is sure: another host or container may record into the same folder. */
function isDead({ host, boot, namespace, pid, start }: Owner): boolean {
  if (host !== hostname()) return false;
  if (boot !== bootId()) return true;
  return namespace === pidNamespace() && readProcess(pid)?.start !== start;
}

export const isWorkFolder = (name: string) => NAME.test(name);

export interface WorkFolder {
  /** Names of the recording's files: the capture, then what it is made of. */
  readonly files: readonly string[];
  readonly dead: boolean;
  /** Nobody has switched QEMU back, which may still be writing its trace, perhaps into this folder. */
  readonly qemuIsOn: boolean;
}

/** Null for what is not ours, or does not tell. */
export function readWorkFolder(path: string): WorkFolder | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return null;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) return null;
    const inside = `/proc/self/fd/${fd}`;
    const names = readdirSync(inside);
    const read = (name: string): Owner => JSON.parse(readFileSync(join(inside, name), 'utf8'));
    const owner = read(OWNER);
    return {
      files: owner.files.map((file) => basename(file)),
      dead: isDead(owner) && (!names.includes(GUARD) || isDead(read(GUARD))),
      qemuIsOn: names.includes(GUARD),
    };
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}
