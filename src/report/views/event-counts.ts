/** Counts of tracepoints, as perf stat -e 'kvm:*' and kvm_stat show them: events of the kernel's kvm system only. */
import { QEMU_EVENT_FIELDS } from '../../core/qemu-event-fields.ts';
import type { SectionInput } from '../sections.ts';

/** Tracepoints of the kvm system whose names do not begin with kvm_ (include/trace/events/kvm.h, arch/*\/kvm/trace*.h). */
const OTHERS = new Set(['vcpu_match_mmio', 'vgic_update_irq_pending', 'trap_reg']);

function isKvm(name: string): boolean {
  return (name.startsWith('kvm_') && !Object.hasOwn(QEMU_EVENT_FIELDS, name)) || OTHERS.has(name);
}

/**
 * [name, count] of every kvm event: those that occurred, and at 0 those that are known to have been switched on.
 * Sorted by name.
 */
export function kvmEventCounts({ model, context }: SectionInput): [string, number][] {
  const counts = new Map<string, number>();
  for (const name of context.enabledEvents ?? []) if (isKvm(name)) counts.set(name, 0);
  for (const [name, count] of Object.entries(model.capture.events)) if (isKvm(name)) counts.set(name, count);
  return [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
