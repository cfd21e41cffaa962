/** Pass `qemu`: exits as QEMU saw them (qemu-exits.ts). */

import type { Pass } from './pass.ts';
import { type QemuExitResult, qemuExitResult } from './qemu-exit-result.ts';
import { addQemuExits, createQemuExits, mergeQemuExits, type QemuExits } from './qemu-exits.ts';
import { hasQemuEvents } from './recorded-events.ts';

export const qemuPass: Pass<null, QemuExits, QemuExitResult> = {
  name: 'qemu',
  allColumns: false,
  wants: hasQemuEvents,
  create: createQemuExits,
  events: addQemuExits,
  merge: mergeQemuExits,
  result: qemuExitResult,
};
