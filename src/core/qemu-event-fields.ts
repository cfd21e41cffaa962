/**
 * Which argument of which QEMU trace event goes to which column: the counterpart of event-fields.ts for simpletrace
 * files, the log backend's text and the markers of the ftrace backend. Argument names are those of QEMU's trace-events
 * files; a column may list several names because QEMU renamed or moved arguments.
 *
 * Every other event: an argument `cpu_index` is the vCPU, the first two numbers are arg0 and arg1, the first string
 * is the text.
 */

import type { NarrowColumn, WideColumn } from './event-fields.ts';
import { EV_QEMU_DROPPED, type EventDictionary, eventCode, FIRST_DYNAMIC_EVENT } from './events.ts';

export type QemuColumn = Exclude<NarrowColumn, 'isa'> | WideColumn | 'text';
export type QemuEventFields = Readonly<Partial<Record<QemuColumn, string | readonly string[]>>>;

const ACCESS: QemuEventFields = {
  vcpu: 'cpu_index',
  address: 'addr',
  arg0: 'value',
  arg1: 'mr',
  info1: 'size',
  text: 'name',
};
const SUBPAGE: QemuEventFields = { ...ACCESS, address: 'offset' };
/** code: 1 = registered, 0 = removed; info2 = file descriptor; arg1 = only this value counts. */
const IOEVENTFD: QemuEventFields = {
  address: 'addr',
  arg0: 'val',
  arg1: 'datamatch',
  info1: 'size',
  info2: 'fd',
  code: 'assign',
};
/** code = ioctl number, arg0 = its argument. */
const IOCTL: QemuEventFields = { code: 'type', arg0: 'arg' };
const BLOCK_REQUEST: QemuEventFields = { address: 'vdev', arg0: 'sector', arg1: 'req', info1: 'nsectors' };
const PCI_CONFIG: QemuEventFields = { address: ['offs', 'addr'], arg0: 'val', text: 'dev' };
const PORT: QemuEventFields = { address: 'addr', arg0: 'val', info1: 'size' };

export const QEMU_EVENT_FIELDS: Readonly<Record<string, QemuEventFields>> = {
  /** code = KVM_EXIT_*. */
  kvm_run_exit: { vcpu: 'cpu_index', code: 'reason' },
  kvm_run_exit_system_event: { vcpu: 'cpu_index', code: 'event_type' },
  kvm_vcpu_ioctl: { vcpu: 'cpu_index', ...IOCTL },
  kvm_vm_ioctl: IOCTL,
  kvm_ioctl: IOCTL,
  kvm_device_ioctl: { info1: 'fd', ...IOCTL },
  kvm_set_ioeventfd_mmio: IOEVENTFD,
  kvm_set_ioeventfd_pio: IOEVENTFD,
  kvm_set_user_memory: {
    address: 'guest_phys_addr',
    info1: 'memory_size',
    arg0: 'userspace_addr',
    arg1: 'ret',
    info2: 'slot',
    code: 'flags',
  },
  kvm_init_vcpu: { vcpu: 'cpu_index', arg0: 'arch_cpu_id' },
  kvm_create_vcpu: { vcpu: 'cpu_index', arg0: 'arch_cpu_id', arg1: 'kvm_fd' },
  kvm_destroy_vcpu: { vcpu: 'cpu_index', arg0: 'arch_cpu_id' },
  kvm_dirty_ring_full: { vcpu: 'id' },
  kvm_dirty_ring_page: { vcpu: 'vcpu', address: 'offset', arg0: 'slot' },
  memory_region_ops_read: ACCESS,
  memory_region_ops_write: ACCESS,
  memory_region_subpage_read: SUBPAGE,
  memory_region_subpage_write: SUBPAGE,
  memory_region_ram_device_read: ACCESS,
  memory_region_ram_device_write: ACCESS,
  /** address = the device, arg0 = queue number. */
  virtio_queue_notify: { address: 'vdev', arg0: 'n', arg1: 'vq' },
  virtio_notify: { address: 'vdev', arg1: 'vq' },
  virtio_notify_irqfd: { address: 'vdev', arg1: 'vq' },
  virtio_set_status: { address: 'vdev', arg0: 'val' },
  virtio_blk_handle_read: BLOCK_REQUEST,
  virtio_blk_handle_write: BLOCK_REQUEST,
  virtio_blk_rw_complete: { address: 'vdev', arg0: 'ret', arg1: 'req' },
  virtio_blk_req_complete: { address: 'vdev', arg0: 'status', arg1: 'req' },
  pci_cfg_read: PCI_CONFIG,
  pci_cfg_write: PCI_CONFIG,
  cpu_in: PORT,
  cpu_out: PORT,
  /** code = new run state, text = its name. */
  runstate_set: { arg0: 'current_state', code: 'new_state', text: 'new_state_str' },
};

/** Names that kernel tracepoints have too, or that QEMU never writes: a QEMU file must not pose as the kernel. */
export function isKernelName(dictionary: EventDictionary, name: string): boolean {
  const known = dictionary.codes.get(name);
  return (
    known !== undefined &&
    known < FIRST_DYNAMIC_EVENT &&
    (known === EV_QEMU_DROPPED || !Object.hasOwn(QEMU_EVENT_FIELDS, name))
  );
}

/** Event code of a QEMU trace event; `qemu:NAME` where the name belongs to the kernel. 0 when the dictionary is full. */
export function qemuEventCode(dictionary: EventDictionary, name: string): number {
  return eventCode(dictionary, isKernelName(dictionary, name) ? `qemu:${name}` : name);
}
