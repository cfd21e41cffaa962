/** What to do with files that hold a recording, but packed or encoded in a way that is not read. */
import { isRingPage } from './ring-pages.ts';
import { packedBy } from './unpack.ts';

interface Packing {
  /** First bytes, as latin1 text. */
  readonly magic: string;
  readonly at?: number;
  readonly what: string;
  readonly hint: string;
}

const PACKINGS: readonly Packing[] = [
  { magic: '\xfd7zXZ\x00', what: 'compressed by xz', hint: 'unpack it first: xz -d' },
  { magic: 'BZh', what: 'compressed by bzip2', hint: 'unpack it first: bzip2 -d' },
  { magic: '\x04\x22\x4d\x18', what: 'compressed by lz4', hint: 'unpack it first: lz4 -d' },
  { magic: 'PK\x03\x04', what: 'a zip archive', hint: 'unpack it and name the files in it' },
  { magic: "7z\xbc\xaf'\x1c", what: 'a 7z archive', hint: 'unpack it and name the files in it' },
  { magic: 'ustar', at: 257, what: 'a tar archive', hint: 'unpack it (tar -x) and name the files in it' },
  {
    magic: '\xff\xfe',
    what: 'text in UTF-16, as a redirection in PowerShell writes it',
    hint: 'convert it first: iconv -f UTF-16 -t UTF-8',
  },
  { magic: '\xfe\xff', what: 'text in UTF-16', hint: 'convert it first: iconv -f UTF-16 -t UTF-8' },
];

const RING_PAGES = {
  what: 'a copy of ring-buffer pages (per_cpu/cpuN/trace_pipe_raw, or a NAME.cpuN file of trace-cmd), which do not say what their events are',
  hint: 'record with `kvmtrace record` or `trace-cmd record`; what a killed trace-cmd left: trace-cmd restore',
};

/**
 * What the input is and what helps, if no format reads it because of how it is packed; else null. `unpacked`: by what
 * it was packed when it was named (unpack.ts).
 */
export function foreignFile(
  head: Uint8Array,
  unpacked: string | null,
): { readonly what: string; readonly hint: string } | null {
  const inner = packedBy(head);
  if (inner && unpacked)
    return { what: `${inner.name} inside ${unpacked}`, hint: `unpack it once: ${unpacked} -d` };
  const start = Buffer.from(head.subarray(0, 512)).toString('latin1');
  return (
    PACKINGS.find(({ magic, at = 0 }) => start.startsWith(magic, at)) ??
    (isRingPage(head) ? RING_PAGES : null)
  );
}
