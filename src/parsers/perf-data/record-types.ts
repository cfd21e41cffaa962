/** Record types of perf.data: include/uapi/linux/perf_event.h below 64, tools/lib/perf/include/perf/event.h above. */

export const RECORD_LOST = 2;
export const RECORD_COMM = 3;
export const RECORD_THROTTLE = 5;
export const RECORD_FORK = 7;
export const RECORD_SAMPLE = 9;
export const RECORD_LOST_SAMPLES = 13;
/** From here on records are the container's (user space wrote them), not the kernel's. */
export const FIRST_USER_RECORD = 64;
export const RECORD_HEADER_ATTR = 64;
export const RECORD_TRACING_DATA = 66;
export const RECORD_FINISHED_ROUND = 68;
export const RECORD_AUXTRACE = 71;
export const RECORD_HEADER_FEATURE = 80;
export const RECORD_COMPRESSED = 81;
export const RECORD_COMPRESSED2 = 83;
/** Higher numbers are damage (or a perf of the future). */
export const LAST_KERNEL_RECORD = 40;
export const LAST_USER_RECORD = 100;

/** Size of a record header: u32 type, u16 misc, u16 size (of all the record). */
export const HEADER_BYTES = 8;
