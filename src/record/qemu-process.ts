/** Which process listens on a QMP socket: for its user and working directory. Linux, as root. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

export interface QemuProcess {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string | null;
}

/** Null if it cannot be told: no rights, another mount or process namespace. */
export function findListener(socket: string, proc = '/proc'): QemuProcess | null {
  try {
    const inode = inodeOf(readFileSync(`${proc}/net/unix`, 'utf8'), [socket, resolve(socket)]);
    if (inode === null) return null;
    for (const pid of readdirSync(proc)) {
      if (!/^\d+$/.test(pid) || !holds(`${proc}/${pid}/fd`, `socket:[${inode}]`)) continue;
      const { uid, gid } = statSync(`${proc}/${pid}`);
      return { pid: Number(pid), uid, gid, cwd: linkOf(`${proc}/${pid}/cwd`) };
    }
  } catch {
    // As if not found.
  }
  return null;
}

/** A line of /proc/net/unix: address, references, protocol, flags (0x10000: listening), type, state, inode, path. */
export function inodeOf(table: string, paths: readonly string[]): string | null {
  for (const line of table.split('\n')) {
    const match = /^\S+ \S+ \S+ 0*10000 \S+ \S+\s+(\d+) (.+)$/.exec(line);
    if (match && paths.includes(match[2])) return match[1];
  }
  return null;
}

function holds(folder: string, link: string): boolean {
  try {
    return readdirSync(folder).some((fd) => linkOf(`${folder}/${fd}`) === link);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    return null;
  }
}
