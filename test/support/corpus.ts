/** Finds the captures that tests run on: the repo's samples always, the shared corpus where it is present. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const REPO = resolve(import.meta.dirname, '../..');
export const SAMPLES = join(REPO, 'samples');
export const SHARED = resolve(REPO, '../shared');
export const HAS_SHARED = existsSync(join(SHARED, 'corpus'));

export interface ExpectedReason {
  isa: string;
  code: number | null;
  name: string;
  exits: number;
  paired: number;
  totalNs: number;
  minNs: number | null;
  maxNs: number | null;
  escalated: number;
  restarts: number;
  l2: number;
}

/** What the contract's semantics give, computed independently from the reference tool's text (corpus README). */
export interface Expected {
  events: Record<string, number>;
  lost: { events: number; marks: number };
  quality: Record<string, number>;
  reasons: ExpectedReason[];
  threads: { tid: number; comm: string; exits: number }[];
  slowest: { latencyNs: number; exitNs: number; tid: number; isa: string; name: string }[];
}

export interface CorpusCapture {
  /** `x86/pf-all/perf.data` */
  id: string;
  path: string;
  expected: Expected;
}

/** Captures with an expected.json below `root` (folders two levels deep). */
export function listCaptures(root: string): CorpusCapture[] {
  const captures: CorpusCapture[] = [];
  for (const group of existsSync(root) ? readdirSync(root) : []) {
    const groupPath = join(root, group);
    if (!statSync(groupPath).isDirectory()) continue;
    for (const folder of [...readdirSync(groupPath), '.']) {
      const file = join(groupPath, folder, 'expected.json');
      if (!existsSync(file)) continue;
      const expected = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Expected>;
      for (const [name, value] of Object.entries(expected)) {
        const path = [name, `${name}.gz`].map((n) => join(groupPath, folder, n)).find((p) => existsSync(p));
        if (path) captures.push({ id: join(group, folder, name), path, expected: value });
      }
    }
  }
  return captures;
}
