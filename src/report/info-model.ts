/** What `kvmtrace info` shows: what the file is and how far it can be trusted. Same rules as model.ts. */
import type { CaptureModel, WarningModel } from './model.ts';

export interface InfoModel {
  schema: 'kvmtrace.info';
  schemaVersion: 1;
  tool: { name: 'kvmtrace'; version: string };
  /** `events` counts every recorded event, `facts` what the file states about its recording. */
  capture: CaptureModel;
  /** Event names that the recording had switched on; null if the format does not tell. */
  enabledEvents: string[] | null;
  /** CPUs that recorded events, ascending; null if the format does not say which. */
  cpus: number[] | null;
  /** Threads that recorded kvm exits, entries or userspace exits, most events first. */
  threads: InfoThreadModel[];
  /** Every diagnostic of the parser; empty when nothing was amiss. */
  warnings: WarningModel[];
  notes: string[];
}

export interface InfoThreadModel {
  tid: number;
  pid: number | null;
  comm: string | null;
  vcpu: number | null;
  vm: string | null;
  /** All events of the thread, and its kvm_exit events. */
  events: number;
  exits: number;
}
