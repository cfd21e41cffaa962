/**
 * Names of threads that events tell (sched_switch, sched_wakeup, sched_process_fork …): fields NAME_comm and NAME_pid
 * of one record. They only fill in what saved_cmdlines has forgotten, as in trace-cmd report.
 */
import { hasRoom, type ThreadTable, threadOf } from '../../core/thread-table.ts';
import { type EventFormat, isInteger } from '../tracepoint/format.ts';

export interface NameField {
  readonly pidOffset: number;
  readonly nameOffset: number;
  readonly nameSize: number;
}

export function nameFields(format: EventFormat): NameField[] {
  const pairs: NameField[] = [];
  for (const field of format.fields.values()) {
    // task_rename's oldcomm and newcomm have no pid of their own name; exec's filename is no name.
    if (!field.array || field.dynamic !== null || !/(^|_)comm$/.test(field.name) || field.size > 64) continue;
    const pid = format.fields.get(field.name.replace(/comm$/, 'pid'));
    if (isInteger(pid) && pid.size === 4)
      pairs.push({ pidOffset: pid.offset, nameOffset: field.offset, nameSize: field.size });
  }
  return pairs;
}

const utf8 = new TextDecoder();

export function learnNames(
  threads: ThreadTable,
  fields: readonly NameField[],
  view: DataView,
  at: number,
  length: number,
  little: boolean,
): void {
  for (let i = 0; i < fields.length; i++) {
    const { pidOffset, nameOffset, nameSize } = fields[i];
    if (pidOffset + 4 > length || nameOffset + nameSize > length) continue;
    const tid = view.getInt32(at + pidOffset, little);
    if (tid <= 0) continue;
    const thread = threads.byTid.get(tid);
    if (thread ? thread.comm !== null : !hasRoom(threads)) continue;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at + nameOffset, nameSize);
    const end = bytes.indexOf(0);
    threadOf(threads, tid).comm = utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}
