/** A time axis as kernels see it: byte offsets. Plain constants only, which kernels share. */

/** Start of bucket 0 (64-bit integer); width in ns and first bucket that there is no room for (doubles). */
export const AX_ORIGIN = 0;
export const AX_WIDTH = 8;
export const AX_END = 16;
/** The bucket of the latest time, and the times that it begins and ends at (64-bit integers). */
export const AX_FROM = 24;
export const AX_TO = 32;
export const AX_BUCKET = 40;
export const AX_BYTES = 48;
