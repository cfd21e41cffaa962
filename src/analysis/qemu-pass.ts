/** Pass `qemu`: exits as QEMU saw them (qemu-exits.ts). */

import type { Pass } from './pass.ts';
import {
  addQemuExits,
  createQemuExits,
  mergeQemuExits,
  type QemuExitResult,
  type QemuExits,
  qemuExitResult,
} from './qemu-exits.ts';
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
