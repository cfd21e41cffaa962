/** Chunks of text → lines, whatever way they were cut. Memory is bounded: a longer line is dropped whole. */

export interface LineSplitter {
  push(chunk: string): void;
  /** The last line, if it has no line feed. */
  end(): void;
}

/** Calls `take` for every line without its line feed. `maxLength` is in UTF-16 units. */
export function createLineSplitter(take: (line: string) => void, maxLength: number): LineSplitter {
  let pending = '';
  let skipping = false;
  return {
    push(chunk) {
      for (let from = 0; from < chunk.length; ) {
        const feed = chunk.indexOf('\n', from);
        const part = chunk.slice(from, feed < 0 ? chunk.length : feed);
        if (!skipping && pending.length + part.length > maxLength) {
          skipping = true;
          pending = '';
        }
        if (!skipping) pending += part;
        if (feed < 0) return;
        const line = pending;
        const dropped = skipping;
        pending = '';
        skipping = false;
        if (!dropped) take(line);
        from = feed + 1;
      }
    },
    end() {
      if (!skipping && pending !== '') take(pending);
      pending = '';
      skipping = false;
    },
  };
}
