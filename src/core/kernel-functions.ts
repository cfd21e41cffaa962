/** What the compiled kernels (src/kernels/) can be called with. Addresses are byte offsets in their arena. */
export interface Kernels {
  matchRows(pairing: number, batch: number, from: number, length: number): number;
  keepRow(batch: number, row: number, record: number): void;
  putRow(record: number, batch: number, row: number): void;
  countExits(counter: number, batch: number, from: number, length: number): number;
  countEvents(summary: number, batch: number, length: number): number;
}
