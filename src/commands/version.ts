/** Version of this program, from the package that it is installed as. */
import { readFileSync } from 'node:fs';

/** The same two levels up from src/commands and from dist/commands. */
export function toolVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}
