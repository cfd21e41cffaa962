/** What the module exports (core/kernel-functions.ts says it to TypeScript). */
import { indexEvents, indexReasons } from './indices.ts';
import { matchRows } from './pairing.ts';
import { fieldValidity, validity16, validity32 } from './validity.ts';

export { fieldValidity, indexEvents, indexReasons, matchRows, validity16, validity32 };
