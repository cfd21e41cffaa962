/** What the compiled kernels (src/kernels/) can be called with. Addresses are byte offsets in their arena. */
export interface Kernels {
  matchRows(pairing: number, batch: number, from: number, length: number): number;
}
