/** The file that worker threads run: beside this one, both in dist/ and in the bundle. */
import { join } from 'node:path';

export const ANALYSIS_WORKER = join(import.meta.dirname, 'analysis-worker.js');
