/** What the compiled kernels (src/kernels/) can be called with. Addresses are byte offsets in their arena. */
export interface Kernels {
  matchRows(pairing: number, batch: number, from: number, length: number): number;
  walkSamples(window: number, from: number): number;
  mergeSamples(window: number, batch: number, from: number, to: number): number;
}
