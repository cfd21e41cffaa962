/** Version of this program, from the package that it is installed as. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lazy } from '../core/lazy.ts';

/** The same two levels up from src/commands and from dist/commands. */
export const toolVersion = lazy((): string => {
  const path = join(import.meta.dirname, '../../package.json');
  return JSON.parse(readFileSync(path, 'utf8')).version;
});
