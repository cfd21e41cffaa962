/** What a sample's id says of it. Plain constants only, which kernels share. */

/** The main layout: no further look-up is needed. */
export const ID_MAIN = 1;
/** A tracepoint whose samples are laid out otherwise. */
export const ID_OTHER_LAYOUT = 2;
/** No tracepoint: not ours. */
export const ID_FOREIGN = 3;

/** Ids are small numbers (a kernel counter) that a table of bytes knows; larger ones are looked up in a Map. */
export const ID_TABLE = 262144;
