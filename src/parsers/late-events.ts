/** The counter of events that no bounded window could put in time order any more. */
import { type Diagnostics, note } from '../core/diagnostics.ts';

export function noteLateEvents(diagnostics: Diagnostics, late: number): void {
  if (late > 0)
    note(
      diagnostics,
      'late-events',
      'suspect',
      'events came too late in the file to be put in time order: exits around them may be paired wrongly',
      late,
    );
}
