/** What the compiled kernels (src/kernels/) can be called with. Addresses are byte offsets in their arena. */
export interface Kernels {
  followRecords(tables: number, batch: number, from: number, length: number): number;
  matchRows(pairing: number, batch: number, from: number, length: number): number;
  fieldValidity(fields: number, bit: number, rows: number, bitmap: number): number;
  validity16(values: number, sentinel: number, rows: number, bitmap: number): number;
  validity32(values: number, sentinel: number, rows: number, bitmap: number): number;
  indexEvents(batch: number, table: number, target: number, from: number, rows: number): number;
  indexReasons(
    batch: number,
    tables: number,
    target: number,
    validity: number,
    from: number,
    rows: number,
  ): number;
  orColumn(values: number, rows: number): number;
  maskColumn(values: number, rows: number, mask: number): void;
  mapIndices(indices: number, target: number, rows: number, table: number, length: number): number;
  countLate(time: number, rows: number, last: number): number;
  keepRow(batch: number, row: number, record: number): void;
  putRow(record: number, batch: number, row: number): void;
  selectExits(selection: number, batch: number, selected: number, length: number): void;
  countExits(counter: number, batch: number, from: number, length: number): number;
  followOpen(view: number, batch: number, from: number, length: number): number;
  findBetween(view: number, batch: number, from: number, length: number): number;
  findSlow(view: number, batch: number, from: number, length: number): number;
  findKind(view: number, batch: number, from: number, length: number): number;
  findNews(view: number, batch: number, from: number, length: number): number;
  countThreadExits(view: number, batch: number, from: number, length: number): number;
  countWindows(view: number, batch: number, from: number, length: number): number;
  bookTime(view: number, batch: number, from: number, length: number): number;
  countHotspots(view: number, batch: number, from: number, length: number): number;
  countDetails(view: number, batch: number, from: number, length: number): number;
  countSeries(view: number, batch: number, from: number, length: number): number;
  countHeat(view: number, batch: number, from: number, length: number): number;
  countIntervals(view: number, batch: number, from: number, length: number): number;
  countLevels(view: number, batch: number, from: number, length: number): number;
  countBeats(view: number, batch: number, from: number, length: number): number;
  countEvents(summary: number, batch: number, length: number): number;
  walkSamples(window: number, from: number): number;
  mergeSamples(window: number, batch: number, from: number, to: number): number;
  fillListed(
    plans: number,
    bytes: number,
    listed: number,
    batch: number,
    from: number,
    count: number,
  ): number;
  takeEvents(walk: number, batch: number, from: number, capacity: number): number;
  mergePages(merge: number, batch: number, from: number, to: number): number;
}
