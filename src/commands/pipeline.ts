/** From inputs to models: opens, reads, analyses. Not joined up yet: every command ends with this word. */
import { UsageError } from '../core/errors.ts';
import type { Pipeline } from './options.ts';

function missing(): never {
  throw new UsageError('this build cannot read recordings yet');
}

export const runReport: Pipeline['runReport'] = async () => missing();
export const runInfo: Pipeline['runInfo'] = async () => missing();
export const runConvert: Pipeline['runConvert'] = async () => missing();
