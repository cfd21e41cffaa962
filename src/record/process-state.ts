/** What /proc tells of a process: whether it is still the same one, and whether it is stopped. */
import { readFileSync } from 'node:fs';

export interface ProcessState {
  /** R, S, D, Z … (proc(5)); T and t: stopped. */
  readonly state: string;
  /** When it began, in ticks since boot: numbers are used again, together with this they are not. */
  readonly start: string;
}

/** Null if there is none of this number any more, or only its exit status. */
export function readProcess(pid: number): ProcessState | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: state is field 3, starttime field 22.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return 'ZX'.includes(fields[0]) ? null : { state: fields[0], start: fields[19] };
  } catch {
    return null;
  }
}
