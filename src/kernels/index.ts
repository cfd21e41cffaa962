/**
 * What the module exports (core/kernel-functions.ts says to TypeScript what it may call). The second list is of rare
 * paths: what is exported is not compiled into the loop that calls it, where it would take the registers away.
 */
import { takeBetween, writeBetween } from './between.ts';
import { countLate, mapIndices, orColumn } from './capture-rows.ts';
import { followRecords } from './cpu-records.ts';
import { defer, keepRow, putRow, settleDeferred } from './deferred-pairs.ts';
import { countEvents } from './event-counts.ts';
import { addLong, countExits, countUserspace, findGroup } from './exit-counts.ts';
import { indexEvents, indexReasons } from './indices.ts';
import { keptExit, matchRows, mayBeLost } from './pairing.ts';
import { mergeSamples } from './perf-merge.ts';
import { walkSamples } from './perf-walk.ts';
import { fieldValidity, validity16, validity32 } from './validity.ts';

export {
  addLong,
  countEvents,
  countExits,
  countLate,
  countUserspace,
  defer,
  fieldValidity,
  findGroup,
  followRecords,
  indexEvents,
  indexReasons,
  keepRow,
  keptExit,
  mapIndices,
  matchRows,
  mayBeLost,
  mergeSamples,
  orColumn,
  putRow,
  settleDeferred,
  takeBetween,
  validity16,
  validity32,
  walkSamples,
  writeBetween,
};
