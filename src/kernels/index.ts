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
import { mergePages } from './page-merge.ts';
import { stepStream } from './page-walk.ts';
import { keptExit, matchRows, mayBeLost } from './pairing.ts';
import { fillListed } from './perf-listed.ts';
import { mergeSamples } from './perf-merge.ts';
import { walkSamples } from './perf-walk.ts';
import { fillColumns } from './record-columns.ts';
import { acceptsEntry, selectExits } from './selection.ts';
import { takeEvents } from './simple-records.ts';
import { fieldValidity, validity16, validity32 } from './validity.ts';

export {
  acceptsEntry,
  addLong,
  countEvents,
  countExits,
  countLate,
  countUserspace,
  defer,
  fieldValidity,
  fillColumns,
  fillListed,
  findGroup,
  followRecords,
  indexEvents,
  indexReasons,
  keepRow,
  keptExit,
  mapIndices,
  matchRows,
  mayBeLost,
  mergePages,
  mergeSamples,
  orColumn,
  putRow,
  selectExits,
  settleDeferred,
  stepStream,
  takeBetween,
  takeEvents,
  validity16,
  validity32,
  walkSamples,
  writeBetween,
};
