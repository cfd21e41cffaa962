/**
 * Whether this host can record, looked at before anything is built, started or changed. The helper checks again what
 * it needs itself; these come first so that the advice is there even when the helper is not.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../core/errors.ts';

/** Folders of events/ that hold exits, by architecture and hypervisor. */
const KVM_SYSTEMS = ['kvm', 'kvm-s390', 'kvm_hv', 'kvm_pr', 'kvm_booke'];
/** linux/capability.h */
const CAP_SYS_ADMIN = 21n;

export interface HostFacts {
  readonly platform: string;
  readonly uid: number;
  readonly canAdmin: boolean;
  /** Kernel lockdown in its strict mode: tracing is forbidden even to root. */
  readonly lockedDown: boolean;
  /** Mount point of tracefs as seen by this user, null if there is none. */
  readonly tracefs: string | null;
  readonly canMakeInstances: boolean;
  readonly hasKvmEvents: boolean;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** `root` is where the host's file system begins: tests hand in their own. */
export function readHostFacts(
  root = '/',
  platform: string = process.platform,
  uid: number = process.geteuid?.() ?? 0,
): HostFacts {
  const mounts = ['sys/kernel/tracing', 'sys/kernel/debug/tracing'].map((path) => join(root, path));
  const tracefs = mounts.find((path) => existsSync(join(path, 'events'))) ?? null;
  const capabilities = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(read(join(root, 'proc/self/status')))?.[1];
  return {
    platform,
    uid,
    canAdmin:
      capabilities === undefined ? uid === 0 : ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 1n,
    lockedDown: read(join(root, 'sys/kernel/security/lockdown')).includes('[confidentiality]'),
    tracefs,
    canMakeInstances: tracefs !== null && isWritable(join(tracefs, 'instances')),
    hasKvmEvents: tracefs !== null && KVM_SYSTEMS.some((name) => existsSync(join(tracefs, 'events', name))),
  };
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `change`: perf only reads tracefs. @throws UsageError for the first thing that is missing, with what to do. */
export function checkHost(facts: HostFacts, change = true): void {
  const canMakeInstances = facts.canMakeInstances || !change;
  if (facts.platform !== 'linux')
    throw new UsageError(
      `recording works on Linux, this is ${facts.platform}`,
      'Record on the KVM host (kvmtrace-capture alone is enough there) and analyse its file here: kvmtrace report vm.dat',
    );
  if (facts.lockedDown)
    throw new UsageError(
      'kernel lockdown (confidentiality) forbids tracing',
      'Boot without lockdown=confidentiality. Secure Boot alone means lockdown=integrity at most, which allows tracing.',
    );
  const privileged = facts.uid === 0 || facts.canAdmin;
  if (facts.tracefs === null)
    throw privileged
      ? new UsageError('tracefs is not mounted', 'Mount it: mount -t tracefs nodev /sys/kernel/tracing')
      : new UsageError(
          'recording needs root: tracefs cannot be reached as this user',
          'Run it with sudo, as root, or with CAP_SYS_ADMIN and write access to tracefs.',
        );
  if (!canMakeInstances || !privileged)
    throw new UsageError(
      `recording needs root: ${canMakeInstances ? 'CAP_SYS_ADMIN is missing' : `no write access to ${facts.tracefs}/instances`}`,
      facts.uid === 0
        ? 'In a container: run it on the host itself, or with --privileged and /sys/kernel/tracing mounted writable; or try --backend perf.'
        : 'Run it with sudo or as root. A group needs write access to tracefs (mount option gid=) and CAP_SYS_ADMIN.',
    );
  if (!facts.hasKvmEvents)
    throw new UsageError(
      'this kernel has no KVM tracepoints: KVM is not loaded',
      'Load it (modprobe kvm_intel or kvm_amd) and start a VM. If VMs do run here, they run under another hypervisor, or without KVM.',
    );
}
