/** QEMU's trace events by QMP: which there are, which are off, switching them on. */
import { type Qmp, QmpError } from './qmp.ts';

/** The return of KVM_RUN: what the kernel calls kvm_userspace_exit. */
const BASE = ['kvm_run_exit'];
/** Ways from the guest to QEMU and back that need no exit to QEMU, and whom MMIO and port accesses were for. */
const DETAIL = ['kvm_set_ioeventfd_*', 'virtio_queue_notify', 'virtio_notify*', 'memory_region_ops_*'];

export interface QemuEvents {
  /** Off and to be switched on. */
  readonly off: readonly string[];
  /** On already: somebody else's, left alone. */
  readonly on: readonly string[];
  /** Patterns of which this QEMU has none. */
  readonly missing: readonly string[];
}

export async function readEvents(qmp: Qmp, detail: boolean): Promise<QemuEvents> {
  const off: string[] = [];
  const on: string[] = [];
  const missing: string[] = [];
  for (const pattern of detail ? [...BASE, ...DETAIL] : BASE) {
    const states = await statesOf(qmp, pattern);
    const usable = states.filter(({ state }) => state !== 'unavailable');
    if (usable.length === 0) missing.push(pattern);
    for (const { name, state } of usable) (state === 'enabled' ? on : off).push(name);
  }
  return { off, on, missing };
}

interface EventState {
  readonly name: string;
  readonly state: string;
}

async function statesOf(qmp: Qmp, pattern: string): Promise<EventState[]> {
  try {
    const states = await qmp.execute('trace-event-get-state', { name: pattern });
    return Array.isArray(states) ? states.filter((state) => typeof state?.name === 'string') : [];
  } catch (error) {
    // An exact name that this QEMU does not have is an error, a pattern without matches an empty list.
    if (error instanceof QmpError && error.failure === 'refused') return [];
    throw error;
  }
}

/** @throws QmpError, with some of them on: undoQemu switches off what was off. */
export async function switchOn(qmp: Qmp, events: QemuEvents): Promise<void> {
  for (const name of events.off) await qmp.execute('trace-event-set-state', { name, enable: true });
}
