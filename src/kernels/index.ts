/**
 * What the module exports (core/kernel-functions.ts says to TypeScript what it may call). The second list is of rare
 * paths: what is exported is not compiled into the loop that calls it, where it would take the registers away.
 */
import { defer, keepRow, putRow, settleDeferred } from './deferred-pairs.ts';
import { countEvents } from './event-counts.ts';
import { addLong, countExits, countUserspace, findGroup } from './exit-counts.ts';
import { matchRows, takeBetween, writeBetween } from './pairing.ts';

export {
  addLong,
  countEvents,
  countExits,
  countUserspace,
  defer,
  findGroup,
  keepRow,
  matchRows,
  putRow,
  settleDeferred,
  takeBetween,
  writeBetween,
};
