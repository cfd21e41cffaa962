/** How a QEMU was before a recording, and how to bring it back to that. Plain data: the guard process reads it too. */
import type { Qmp } from './qmp.ts';

export interface QemuUndo {
  /** The QMP socket. */
  readonly socket: string;
  /** Trace events that were off. */
  readonly events: readonly string[];
  /** The simple backend's file as it was (always off: see qemu-file.ts); null: not touched. */
  readonly file: string | null;
  /** What QEMU writes to meanwhile, for whoever has to finish in the recorder's place; null: no file of ours. */
  readonly ours: OurTraceFile | null;
  /** The process that records the kernel's side and keeps the limits: when it has ended, so has the recording. */
  readonly helper: ProcessId | null;
}

export interface ProcessId {
  readonly pid: number;
  /** ProcessState.start */
  readonly start: string;
}

export interface OurTraceFile {
  readonly file: string;
  /** Made for it. */
  readonly folder: string;
  /** Bytes of it that are older than the recording. */
  readonly begin: number;
  /** The recorder's own folder, on the file system of `to`. */
  readonly work: string;
  /** Where QEMU's part belongs in the end. */
  readonly to: string;
}

/** Goes through all of it whatever fails; what could not be undone, in words. */
export async function undoQemu(qmp: Qmp, undo: QemuUndo): Promise<string[]> {
  const failures: string[] = [];
  const attempt = async (what: string, run: () => Promise<unknown>) => {
    try {
      await run();
    } catch (error) {
      failures.push(`${what}: ${(error as Error).message}`);
    }
  };
  for (const name of undo.events)
    await attempt(`event ${name}`, () => qmp.execute('trace-event-set-state', { name, enable: false }));
  if (undo.file !== null) {
    const { file } = undo;
    await attempt('trace file', async () => {
      await qmp.hmp('trace-file off');
      await qmp.hmp(`trace-file set ${quoteHmp(file)}`);
      // Older QEMU switches on what it sets.
      await qmp.hmp('trace-file off');
    });
  }
  return failures;
}

/** A word of the human monitor's command line (monitor/hmp.c, get_str). */
export function quoteHmp(word: string): string {
  return `"${word.replace(/[\\"]/g, (char) => `\\${char}`)}"`;
}
