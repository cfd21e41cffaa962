/**
 * Whether this program was started by nohup. Node.js resets ignored signals before any of our lines runs, and the files of
 * /proc show what it left; but nohup leaves another trace: a terminal as standard input is replaced by /dev/null opened
 * for writing only (GNU coreutils), which nobody else does, and which every program between it and us hands on (env, npx,
 * sudo). Where standard input was no terminal, bash and zsh tell the command in `_`.
 *
 * Without either trace a hang-up ends a recording: then the message says what to do.
 */
import { fstatSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** linux/kdev_t.h: (1, 3), /dev/null. */
const DEV_NULL = (1 << 8) | 3;
const O_ACCMODE = 3;
const O_WRONLY = 1;

export function isUnderNohup(env: NodeJS.ProcessEnv, fd = 0): boolean {
  return isUnreadableNull(fd) || (env._ !== undefined && basename(env._) === 'nohup');
}

function isUnreadableNull(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice() || stat.rdev !== DEV_NULL) return false;
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & O_ACCMODE) === O_WRONLY;
  } catch {
    return false;
  }
}
