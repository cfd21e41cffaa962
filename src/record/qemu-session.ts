/**
 * QEMU's side of a recording: its trace events switched on by QMP, its trace file collected, everything as before at
 * the end. Or only a file that QEMU is writing anyway (--qemu-trace).
 */
import { resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { type Guard, startGuard } from './guard.ts';
import { isCrowded } from './output-place.ts';
import { readProcess } from './process-state.ts';
import { type QemuEvents, readEvents, switchOn } from './qemu-events.ts';
import { collect, directTraceFile, foldersToTry, pathOf, readTraceFile, removeFolder } from './qemu-file.ts';
import { findListener, type QemuProcess } from './qemu-process.ts';
import { type OurTraceFile, type ProcessId, type QemuUndo, undoQemu } from './qemu-undo.ts';
import { adviceFor, connectQmp, type Qmp, QmpError } from './qmp.ts';
import { sliceTrace, traceSize } from './slice-trace.ts';
import { dropGuard, noteGuard } from './work-folder.ts';

export interface QemuSession {
  /** Whether QEMU's side will be recorded at all. */
  readonly active: boolean;
  /**
   * Starts; may find that QEMU's side cannot be had and says so. `helper`: the process with which the recording ends, also while
   * this one is stopped.
   */
  begin(helper?: number): Promise<void>;
  /** Bytes that QEMU has written since begin(). */
  bytes(): number;
  /** Whether the disk of a file that it writes for us has too little room. */
  isDiskCrowded(): boolean;
  /** Stops and puts QEMU's part into its file; false if there is none. Undoes what begin() did. */
  end(): Promise<boolean>;
  /** Brings QEMU back to what it was, in any case; harmless when that was done. */
  restore(): Promise<void>;
}

export interface QemuRequest {
  readonly qmp: string | null;
  readonly file: string | null;
  readonly detail: boolean;
  /** Makes a folder of ours. */
  readonly work: () => string;
  /** Where QEMU's part will be put. */
  readonly to: string;
  /** A line for the user. */
  readonly tell: (text: string) => void;
}

/** Connects and looks; changes nothing yet. Throws UsageError where the user named something that cannot be used. */
export async function openQemu(request: QemuRequest): Promise<QemuSession> {
  const { file, tell } = request;
  if (file !== null) checkReadable(file);
  if (request.qmp === null) return file === null ? nothing : withFile(file, null, null, request);
  const socket = request.qmp;
  let qmp: Qmp;
  try {
    qmp = await connectQmp(socket);
  } catch (error) {
    throw explained(error, socket);
  }
  try {
    const events = await readEvents(qmp, request.detail);
    if (events.missing.includes('kvm_run_exit')) {
      tell(
        `this QEMU (${qmp.version}) has no trace event kvm_run_exit: it was built without KVM or without tracing. Going on with the kernel's side only; its kvm_userspace_exit tells the same exits.`,
      );
      qmp.close();
      return file === null ? nothing : withFile(file, null, null, request);
    }
    if (file !== null) return explaining(withFile(file, { qmp, socket, events }, null, request), socket);
    const own = await readTraceFile(qmp);
    if (own === null) {
      tell(
        `this QEMU (${qmp.version}) was built without the simple trace backend, so there is no file to collect. Going on with the kernel's side only; its kvm_userspace_exit tells the same exits. If QEMU logs its trace (-D FILE, -trace …), add --qemu-trace FILE.`,
      );
      qmp.close();
      return nothing;
    }
    const qemu = findListener(socket);
    if (!own.on) return explaining(withOwnFile({ qmp, socket, events }, own.name, qemu, request), socket);
    const path = pathOf(own, qemu);
    if (path === null)
      throw new UsageError(
        `QEMU is writing its trace to ${own.name}, in a folder that cannot be told`,
        'Name it: --qemu-trace FILE.',
      );
    return explaining(withFile(path, { qmp, socket, events }, 'trace-file flush', request), socket);
  } catch (error) {
    qmp.close();
    throw explained(error, socket);
  }
}

/** What the user can do where QEMU's monitor is the reason. */
function explained(error: unknown, socket: string): unknown {
  if (!(error instanceof QmpError)) return error;
  return new UsageError(`--qmp ${socket}: ${error.message}`, adviceFor(error, socket));
}

function explaining(session: QemuSession, socket: string): QemuSession {
  const begin: QemuSession['begin'] = (helper) =>
    session.begin(helper).catch((error: unknown) => {
      throw explained(error, socket);
    });
  return { ...session, begin };
}

const nothing: QemuSession = {
  active: false,
  begin: async () => {},
  bytes: () => 0,
  isDiskCrowded: () => false,
  end: async () => false,
  restore: async () => {},
};

function checkReadable(file: string): void {
  try {
    traceSize(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--qemu-trace ${file}: ${code === 'EACCES' ? 'permission denied' : (error as Error).message}`,
      'Name the regular file that QEMU writes: -trace …,file=FILE (simple backend) or -D FILE (log backend).',
    );
  }
}

interface Connection {
  readonly qmp: Qmp;
  readonly socket: string;
  readonly events: QemuEvents;
}

/** Switching back, by us or by the guard, exactly once. */
function createUndo(connection: Connection | null, tell: (text: string) => void) {
  let guard: Guard | null = null;
  let undo: QemuUndo | null = null;
  let helper: ProcessId | null = null;
  return {
    endsWith(pid: number | undefined): void {
      const process = pid === undefined ? null : readProcess(pid);
      helper = process && { pid: pid!, start: process.start };
    },
    /** Before each change. */
    async remember(state: Omit<QemuUndo, 'socket' | 'helper'>): Promise<void> {
      guard ??= await startGuard(connection!.qmp.socket);
      undo = { socket: connection!.socket, helper, ...state };
      await guard.remember(undo);
    },
    guardPid: () => guard?.pid ?? 0,
    /** QEMU is as before afterwards. The guard stays until release(): there may be a file to collect. */
    async run(): Promise<void> {
      if (undo !== null && guard !== null) {
        const pending = undo;
        undo = null;
        let failures = await undoQemu(connection!.qmp, pending);
        connection!.qmp.close();
        if (failures.length > 0) failures = await undoAnew(pending);
        if (failures.length > 0) {
          // The guard connects anew and tries for half a minute.
          guard.takeOver();
          guard = null;
          tell(`QEMU could not be switched back at once (${failures[0]}); a process goes on trying`);
        }
      }
      connection?.qmp.close();
    },
    /** False: there is none, or it is still at it. */
    release(): boolean {
      const had = guard !== null;
      guard?.dismiss();
      guard = null;
      return had;
    },
  };
}

/** How often a QEMU that is just ending is asked: it resets connections before it refuses them. */
const ATTEMPTS = 3;
const PAUSE_MS = 100;

/** On a new connection; a QEMU that has ended needs nothing. */
async function undoAnew(undo: QemuUndo): Promise<string[]> {
  let failures: string[] = [];
  for (let i = 0; i < ATTEMPTS; i++) {
    try {
      const qmp = await connectQmp(undo.socket, 1000);
      failures = await undoQemu(qmp, undo);
      qmp.close();
      if (failures.length === 0) return [];
    } catch (error) {
      if (error instanceof QmpError && error.ended) return [];
      failures = [(error as Error).message];
    }
    await new Promise((tick) => setTimeout(tick, PAUSE_MS));
  }
  return failures;
}

/** A file that QEMU is writing; with a connection the events that are off are switched on meanwhile. */
function withFile(
  file: string,
  connection: Connection | null,
  flush: string | null,
  { to, tell }: QemuRequest,
): QemuSession {
  const undo = createUndo(connection, tell);
  let start = 0;
  const flushed = async () => {
    if (flush !== null) await connection?.qmp.hmp(flush);
  };
  return {
    active: true,
    async begin(helper) {
      undo.endsWith(helper);
      await flushed();
      start = traceSize(file);
      if (connection === null || connection.events.off.length === 0) return;
      await undo.remember({ events: connection.events.off, file: null, ours: null });
      await switchOn(connection.qmp, connection.events);
    },
    bytes: () => Math.max(0, sizeOrZero(file) - start),
    // Somebody else's file, which would grow without us as well.
    isDiskCrowded: () => false,
    async end() {
      await flushed().catch(() => {});
      await undo.run();
      undo.release();
      const events = sliceTrace(file, start, to);
      if (events === 0)
        tell(
          `${file}: QEMU wrote nothing into it meanwhile${connection ? '' : ' (is the trace event kvm_run_exit on?)'}; the kernel's side stands alone`,
        );
      return events > 0;
    },
    async restore() {
      await undo.run();
      undo.release();
    },
  };
}

/** QEMU's own file is off: it writes to one of ours meanwhile. */
function withOwnFile(
  connection: Connection,
  before: string,
  qemu: QemuProcess | null,
  { work, to, tell }: QemuRequest,
): QemuSession {
  const { qmp, events } = connection;
  const undo = createUndo(connection, tell);
  let ours: OurTraceFile | null = null;
  let noted: string | null = null;
  const release = () => {
    if (undo.release() && noted !== null) dropGuard(noted);
    noted = null;
  };
  return {
    active: true,
    async begin(helper) {
      undo.endsWith(helper);
      // The guard first: from here on nothing is made that it does not know.
      await undo.remember({ events: events.off, file: before, ours: null });
      const place = { work: resolve(work()), to: resolve(to) };
      noted = place.work;
      noteGuard(noted, undo.guardPid());
      ours = await directTraceFile(qmp, foldersToTry(place.work, qemu), qemu, place, (file) =>
        undo.remember({ events: events.off, file: before, ours: file }),
      );
      if (ours === null) {
        await undo.run();
        release();
        tell(
          "QEMU cannot write a trace file in any folder tried: it runs confined (libvirt's AppArmor or SELinux rules, a container). Going on with the kernel's side only; or let QEMU trace to a file that it may write (-trace enable=kvm_run_exit,file=FILE) and add --qemu-trace FILE.",
        );
        return;
      }
      await switchOn(qmp, events);
    },
    bytes: () => (ours ? Math.max(0, sizeOrZero(ours.file) - ours.begin) : 0),
    isDiskCrowded: () => ours !== null && isCrowded(ours.folder),
    async end() {
      if (ours === null) return false;
      // Switching the file off writes out what QEMU still holds.
      await undo.run();
      const file = ours;
      ours = null;
      const found = collect(file) > 0;
      release();
      if (!found) tell('QEMU wrote no events meanwhile: no vCPU of it came back from KVM_RUN');
      return found;
    },
    async restore() {
      await undo.run();
      if (ours) removeFolder(ours.folder);
      ours = null;
      release();
    },
  };
}

function sizeOrZero(file: string): number {
  try {
    return traceSize(file);
  } catch {
    return 0;
  }
}
