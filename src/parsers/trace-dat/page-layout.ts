/** Layout of a ring-buffer page's header, from the recorded text of events/header_page (kernel/trace/ring_buffer.c, ring_buffer_print_page_header). */

export interface PageLayout {
  /** Offset of the u64 page time: 0 in every kernel so far. */
  readonly timeOffset: number;
  readonly commitOffset: number;
  /** Bytes of `commit`, which is the kernel's long. */
  readonly commitSize: 4 | 8;
  readonly dataOffset: number;
  /** Bytes of data that a page can hold; 0 if not stated. */
  readonly dataSize: number;
}

/** The layout of a 64-bit kernel. */
export const DEFAULT_LAYOUT: PageLayout = {
  timeOffset: 0,
  commitOffset: 8,
  commitSize: 8,
  dataOffset: 16,
  dataSize: 0,
};

const FIELD = /field:[^;]*?(\w+)(?:\[\d*\])?;\s*offset:(\d{1,6});\s*size:(\d{1,9});/g;

/** Null if the text does not describe a page that can be read. */
export function parsePageLayout(text: string): PageLayout | null {
  const fields = new Map<string, { offset: number; size: number }>();
  for (const [, name, offset, size] of text.slice(0, 4096).matchAll(FIELD))
    if (!fields.has(name)) fields.set(name, { offset: Number(offset), size: Number(size) });
  const time = fields.get('timestamp');
  const commit = fields.get('commit');
  const data = fields.get('data');
  if (!time || !commit || !data || time.size !== 8) return null;
  if (commit.size !== 4 && commit.size !== 8) return null;
  if (
    commit.offset < time.offset + 8 ||
    data.offset < commit.offset + commit.size ||
    data.offset > 64 ||
    data.offset % 4 !== 0
  )
    return null;
  return {
    timeOffset: time.offset,
    commitOffset: commit.offset,
    commitSize: commit.size,
    dataOffset: data.offset,
    dataSize: data.size,
  };
}
