/**
 * Declarations of QEMU's events that the analyses use, for recordings without their trace-events-all. Arguments carry
 * no types in a simpletrace file, so a declaration is only used for records of exactly its length.
 * From accel/kvm, hw/virtio and softmmu of QEMU 7.2; second lines, and kvm_run_exit_system_event, are those of other
 * versions.
 */
import { type EventDeclaration, parseDeclaration } from './trace-events.ts';

const LINES = `
kvm_run_exit(int cpu_index, uint32_t reason) "cpu_index %d, reason %d"
kvm_run_exit_system_event(int cpu_index, uint32_t event_type) "cpu_index %d, system_even_type %d"
kvm_vcpu_ioctl(int cpu_index, int type, void *arg) "cpu_index %d, type 0x%x, arg %p"
kvm_vm_ioctl(int type, void *arg) "type 0x%x, arg %p"
kvm_ioctl(int type, void *arg) "type 0x%x, arg %p"
kvm_device_ioctl(int fd, int type, void *arg) "dev fd %d, type 0x%x, arg %p"
kvm_init_vcpu(int cpu_index, unsigned long arch_cpu_id) "index: %d id: %lu"
kvm_set_ioeventfd_mmio(int fd, uint64_t addr, uint32_t val, bool assign, uint32_t size, bool datamatch) "fd: %d @0x%" PRIx64 " val=0x%x assign: %d size: %d match: %d"
kvm_set_ioeventfd_pio(int fd, uint16_t addr, uint32_t val, bool assign, uint32_t size, bool datamatch) "fd: %d @0x%x val=0x%x assign: %d size: %d match: %d"
kvm_set_user_memory(uint32_t slot, uint32_t flags, uint64_t guest_phys_addr, uint64_t memory_size, uint64_t userspace_addr, int ret) "Slot#%d flags=0x%x gpa=0x%"PRIx64 " size=0x%"PRIx64 " ua=0x%"PRIx64 " ret=%d"
kvm_set_user_memory(uint16_t as, uint16_t slot, uint32_t flags, uint64_t guest_phys_addr, uint64_t memory_size, uint64_t userspace_addr, uint32_t fd, uint64_t fd_offset, int ret) "AddrSpace#%d Slot#%d flags=0x%x gpa=0x%"PRIx64 " size=0x%"PRIx64 " ua=0x%"PRIx64 " guest_memfd=%d" " guest_memfd_offset=0x%" PRIx64 " ret=%d"
memory_region_ops_read(int cpu_index, void *mr, uint64_t addr, uint64_t value, unsigned size, const char *name) "cpu %d mr %p addr 0x%"PRIx64" value 0x%"PRIx64" size %u name '%s'"
memory_region_ops_write(int cpu_index, void *mr, uint64_t addr, uint64_t value, unsigned size, const char *name) "cpu %d mr %p addr 0x%"PRIx64" value 0x%"PRIx64" size %u name '%s'"
memory_region_ops_read(int cpu_index, void *mr, uint64_t addr, uint64_t value, unsigned size) "cpu %d mr %p addr 0x%"PRIx64" value 0x%"PRIx64" size %u"
memory_region_ops_write(int cpu_index, void *mr, uint64_t addr, uint64_t value, unsigned size) "cpu %d mr %p addr 0x%"PRIx64" value 0x%"PRIx64" size %u"
virtio_queue_notify(void *vdev, int n, void *vq) "vdev %p n %d vq %p"
virtio_notify(void *vdev, void *vq) "vdev %p vq %p"
virtio_notify_irqfd(void *vdev, void *vq) "vdev %p vq %p"
virtio_set_status(void *vdev, uint8_t val) "vdev %p val %u"
`;

/** Declarations by name, the usual one first. */
const KNOWN_QEMU_EVENTS: ReadonlyMap<string, readonly EventDeclaration[]> = (() => {
  const known = new Map<string, EventDeclaration[]>();
  for (const line of LINES.trim().split('\n')) {
    const declaration = parseDeclaration(line)!;
    const others = known.get(declaration.name);
    if (others) others.push(declaration);
    else known.set(declaration.name, [declaration]);
  }
  return known;
})();

/** What is known of an event's arguments: the recording's own declaration first. */
export function declarationsOf(name: string, own: EventDeclaration | undefined): readonly EventDeclaration[] {
  const known = KNOWN_QEMU_EVENTS.get(name) ?? [];
  return own ? [own, ...known] : known;
}
