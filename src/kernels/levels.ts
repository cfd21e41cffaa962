/** Exits by reason and level: the common case of analysis/nested-levels.ts. */
import { PAIRED, X_LATENCY, X_LEVEL, X_STATE } from '../analysis/exit-columns.ts';
import {
  LEVELS,
  LV_EXITS,
  LV_PAIRED,
  LV_ROOM,
  LV_TOTAL,
  V_GROUPS,
  V_SELECTED,
} from '../analysis/exits-view-layout.ts';
import { groupOf } from './groups.ts';
import { addExact, addOne } from './sums.ts';

/** Counts rows [from, length) up to the first whose group has no place yet; returns it. */
export function countLevels(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const exits = load<usize>(view, LV_EXITS);
  const paired = load<usize>(view, LV_PAIRED);
  const total = load<usize>(view, LV_TOTAL);
  const room = load<i32>(view, LV_ROOM);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const group = groupOf(view + V_GROUPS, batch, at);
    if (group < 0 || group >= room) break;
    const place = (<usize>group * LEVELS + <usize>load<u8>(batch + at, X_LEVEL)) << 3;
    addOne(exits + place);
    if (load<u8>(batch + at, X_STATE) !== PAIRED) continue;
    addOne(paired + place);
    addExact(total + (place << 1), load<f64>(batch + (at << 3), X_LATENCY));
  }
  return row;
}
