/** The model of a comparison as JSON, keys as they are. */
import { renderJson } from '../json.ts';
import type { DiffModel } from './model.ts';

export const render = (model: DiffModel): Iterable<string> => renderJson(model);
