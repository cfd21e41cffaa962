/**
 * KVM_EXIT_* numbers (kvm_run.exit_reason): field `reason` of kvm:kvm_userspace_exit and of QEMU's kvm_run_exit.
 */
import { USERSPACE_EXIT_ROWS } from './userspace-exits.generated.ts';

/**
 * Numbers of Linux 7.2's include/uapi/linux/kvm.h where the table has those of a patch under review: 42 went to
 * KVM_EXIT_ARM_LDST64B, KVM_EXIT_SNP_REQ_CERTS was merged as 43.
 */
const MERGED: readonly (readonly [code: number, name: string])[] = [
  [42, 'KVM_EXIT_ARM_LDST64B'],
  [43, 'KVM_EXIT_SNP_REQ_CERTS'],
];

const names: ReadonlyMap<number, string> = new Map([...USERSPACE_EXIT_ROWS, ...MERGED]);

/**
 * `KVM_EXIT_IO`; `0x2c` for a number without a name, as the tracepoint prints it. (The tracepoint's own list ends
 * at 30; names beyond it are the header's.)
 */
export function userspaceExitName(code: number): string {
  const unsigned = code >>> 0;
  return names.get(unsigned) ?? `0x${unsigned.toString(16)}`;
}

/** `IO` for `KVM_EXIT_IO`, where the prefix goes without saying. */
export const shortUserspaceName = (name: string): string => name.replace(/^KVM_EXIT_/, '');
