/**
 * What the module exports (core/kernel-functions.ts says to TypeScript what it may call). The second list is of rare
 * paths: what is exported is not compiled into the loop that calls it, where it would take the registers away.
 */
import { takeBetween, writeBetween } from './between.ts';
import { countLate, mapIndices, maskColumn, orColumn } from './capture-rows.ts';
import { findBetween, findSlow, followOpen, mayBeSlow } from './context.ts';
import { followRecords } from './cpu-records.ts';
import { defer, keepRow, putRow, settleDeferred } from './deferred-pairs.ts';
import { countEvents } from './event-counts.ts';
import { countThreadExits, findKind, findNews } from './event-kinds.ts';
import { addLong, countExits, countUserspace } from './exit-counts.ts';
import { addToSlot, countDetails, countHotspots, searchTop, sink } from './exit-tables.ts';
import { findGroup, findKey } from './groups.ts';
import { indexEvents, indexReasons } from './indices.ts';
import { bookTime, bookWait, hasFailed, isLost, keepWait } from './ledger.ts';
import { countLevels } from './levels.ts';
import { countHeat, countIntervals, countSeries, findCell } from './over-time.ts';
import { mergePages } from './page-merge.ts';
import { stepStream } from './page-walk.ts';
import { keptExit, matchRows, mayBeLost } from './pairing.ts';
import { fillListed } from './perf-listed.ts';
import { mergeSamples } from './perf-merge.ts';
import { walkSamples } from './perf-walk.ts';
import { countBeats } from './periodic.ts';
import { fillColumns } from './record-columns.ts';
import { acceptsEntry, selectExits } from './selection.ts';
import { takeEvents } from './simple-records.ts';
import { countWindows, nextWindow } from './simultaneous.ts';
import { findBucket } from './time-axis.ts';
import { fieldValidity, validity16, validity32 } from './validity.ts';

export {
  acceptsEntry,
  addLong,
  addToSlot,
  bookTime,
  bookWait,
  countBeats,
  countDetails,
  countEvents,
  countExits,
  countHeat,
  countHotspots,
  countIntervals,
  countLate,
  countLevels,
  countSeries,
  countThreadExits,
  countUserspace,
  countWindows,
  defer,
  fieldValidity,
  fillColumns,
  fillListed,
  findBetween,
  findBucket,
  findCell,
  findGroup,
  findKey,
  findKind,
  findNews,
  findSlow,
  followOpen,
  followRecords,
  hasFailed,
  indexEvents,
  indexReasons,
  isLost,
  keepRow,
  keepWait,
  keptExit,
  mapIndices,
  maskColumn,
  matchRows,
  mayBeLost,
  mayBeSlow,
  mergePages,
  mergeSamples,
  nextWindow,
  orColumn,
  putRow,
  searchTop,
  selectExits,
  settleDeferred,
  sink,
  stepStream,
  takeBetween,
  takeEvents,
  validity16,
  validity32,
  walkSamples,
  writeBetween,
};
