/** The passes that a report can ask for beside the ones every report has. A new one is one new file and one line here. */
import type { Pass } from './pass.ts';

// biome-ignore lint/suspicious/noExplicitAny: options, state and result differ from pass to pass
export type AnyPass = Pass<any, any, any>;

export const PASSES: readonly AnyPass[] = [];

/** The pass of a name. @throws Error for an unknown one: names come from code, never from users. */
export function passByName(name: string): AnyPass {
  const pass = PASSES.find((candidate) => candidate.name === name);
  if (!pass) throw new Error(`no analysis pass "${name}"`);
  return pass;
}
