/** What the module exports (core/kernel-functions.ts says it to TypeScript). */
import { matchRows } from './pairing.ts';

export { matchRows };
