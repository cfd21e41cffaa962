/**
 * Compares the kernel's own counters (option CPUSTAT, read when the recording stopped) with what the file holds. A
 * file can hold far fewer events than were recorded without any page that says so: seen in the wild with trace-cmd
 * 3.2 (547,361 events counted, 45,543 in the file).
 */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { type CpuStreams, pagesOf, recordsOf } from './cpu-streams.ts';
import { eventsLeftBehind, switchedOff, unreadAtEnd } from './recorder-notes.ts';
import type { Recording } from './recording.ts';

export function compareCounters(recording: Recording, streams: CpuStreams, diagnostics: Diagnostics): void {
  const streamOf = new Map<string, number>();
  for (let stream = 0; stream < streams.count; stream++)
    streamOf.set(`${streams.cpus[stream]} ${recording.buffers[streams.buffers[stream]].name}`, stream);
  let missing = 0;
  let recorded = 0;
  let unmarked = 0;
  let uncounted = 0;
  for (const counters of recording.options.counters) {
    const stream = streamOf.get(`${counters.cpu} ${counters.buffer}`) ?? -1;
    const held = stream < 0 ? 0 : recordsOf(streams, stream);
    const marked = stream < 0 ? 0 : streams.lost[stream];
    if (stream >= 0 && streams.damaged[stream]) continue;
    if (counters.recorded !== null) {
      recorded += counters.recorded;
      const less = counters.recorded - held;
      if (less > slack(streams, stream)) missing += less;
    }
    const lost = counters.overrun + counters.dropped + counters.commitOverrun;
    const rest = Math.max(0, lost - marked);
    if (stream >= 0 && streams.lostUnknown[stream]) uncounted += rest;
    else unmarked += rest;
  }
  const left = Math.min(missing, eventsLeftBehind(recording.options.recorderNotes));
  missing -= left;
  const off = switchedOff(recording.options.recorderNotes);
  if (off !== null)
    note(
      diagnostics,
      'switched-off',
      'data-loss',
      `while this was recorded, somebody switched off ${off} (trace-cmd reset?): what happened from then on is missing, and when that was is not known`,
    );
  const unread = unreadAtEnd(recording.options.recorderNotes);
  if (unread !== null)
    note(
      diagnostics,
      'unread-at-end',
      'data-loss',
      `when the recording ended, the buffers of ${unread.cpus} CPUs could not be read (${unread.error}): their last events are missing`,
      Math.max(left, 1),
    );
  else if (left > 0)
    note(
      diagnostics,
      'left-in-buffer',
      'info',
      "events that were still in the kernel's buffer when the recorder stopped (size limit, full disk): the file ends before them",
      left,
    );
  if (missing > 0)
    note(
      diagnostics,
      'fewer-events-than-counted',
      'data-loss',
      `the kernel counted ${recorded} recorded events, but some are not in the file although nothing marks a loss: exits without an entry and long gaps come from that`,
      missing,
    );
  if (unmarked > 0)
    note(
      diagnostics,
      'losses-without-place',
      'data-loss',
      'events that the kernel counted as lost, but that no page marks: where they are missing is not known',
      unmarked,
    );
  if (uncounted > 0)
    note(
      diagnostics,
      'uncounted-losses',
      'info',
      'events that the kernel counted as lost beyond the losses that pages give a number for; pages that mark a loss without a number stand for them',
      uncounted,
    );
}

/**
 * Events by which the kernel's count may be too high: a page that was read while it was being written counts twice in
 * `read events` (seen on 6.1 and 6.12: up to a page's worth).
 */
function slack(streams: CpuStreams, stream: number): number {
  return stream < 0 ? 0 : (2 * recordsOf(streams, stream)) / Math.max(1, pagesOf(streams, stream));
}
