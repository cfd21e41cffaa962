/** Text of kvm_userspace_exit, the same from 3.6 to 7.2: `reason NAME (N)`, `reason restart (4)`, `reason error (E)`. */
import { CLOSE_PAREN, LOWER_E, LOWER_R, OPEN_PAREN } from '../../core/ascii.ts';
import { type EventBatch, F_ARG0, F_CODE } from '../../core/event-batch.ts';
import { keyTable, readKeyed } from './keyed-text.ts';
import { ascii, matchesAt, readDecimal, word } from './numbers.ts';

const REASON = ascii('reason ');
const RESTART = ascii('restart ');
const ERROR = ascii('error ');
const RAW = keyTable({}, F_CODE | F_ARG0, 'kvm_userspace_exit');

/**
 * The text in [pos, end): code = KVM_EXIT_* and arg0 = 0, or arg0 = −errno without a code: the kernel then prints the
 * errno in the parentheses and leaves the (stale) reason out. trace-cmd report -R prints `reason=2 errno=0`.
 */
export function readUserspaceExit(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (!matchesAt(buf, pos, REASON)) return readKeyed(RAW, buf, pos, end, batch, row);
  const name = pos + 7;
  let p = name;
  // Names past the kernel's list print as 0x1f: the number in parentheses is right for all.
  while (buf[p] !== OPEN_PAREN) if (++p >= end) return false;
  p = readDecimal(buf, p + 1);
  if (p < 0 || buf[p] !== CLOSE_PAREN || word[1] !== 0) return false;
  const first = buf[name];
  if (
    (first === LOWER_R && matchesAt(buf, name, RESTART)) ||
    (first === LOWER_E && matchesAt(buf, name, ERROR))
  ) {
    batch.arg0[2 * row] = -word[0];
    batch.arg0[2 * row + 1] = word[0] === 0 ? 0 : -1;
    batch.fields[row] = F_ARG0;
    return true;
  }
  batch.code[row] = word[0];
  batch.arg0[2 * row] = 0;
  batch.arg0[2 * row + 1] = 0;
  batch.fields[row] = F_CODE | F_ARG0;
  return true;
}
