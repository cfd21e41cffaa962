/** `kvmtrace completion SHELL`: a script that completes commands, options and their words. */
import { ISA_ARM64, ISA_SVM, ISA_VMX } from '../core/isa-codes.ts';
import { allReasons } from '../isa/reasons.ts';
import { csvTableNames } from '../report/csv-tables.ts';
import { DIFF_RENDERERS } from '../report/diff/renderers.ts';
import { RENDERERS } from '../report/renderers.ts';
import { ALL_SECTIONS, SECTION_IDS } from '../report/section-ids.ts';
import { VIEW_NAMES } from '../report/views/view-names.ts';
import { type CommandNode, commandTree, type KnownWords } from './command-tree.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import { zshScript } from './completion/zsh.ts';
import type { Environment } from './environment.ts';
import { writeToStream } from './output.ts';
import { createProgram } from './program.ts';
import { GROUP_KEYS, LEVELS } from './report-options.ts';

const SCRIPTS: Readonly<Record<string, (root: CommandNode) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Names that can stand in a shell's list of words as they are. */
function reasonNames(): string[] {
  const shown = new Set([ISA_VMX, ISA_SVM, ISA_ARM64]);
  const names = allReasons()
    .filter(({ isa }) => shown.has(isa))
    .map(({ name }) => name);
  return [...new Set(names)].filter((name) => /^[A-Za-z][\w-]*$/.test(name)).sort();
}

function knownWords(): KnownWords {
  const reasons = reasonNames();
  return {
    'report --format': RENDERERS.map(({ id }) => id),
    'diff --format': DIFF_RENDERERS.map(({ id }) => id),
    'info --format': ['text', 'json'],
    '--table': csvTableNames(),
    '--by': GROUP_KEYS,
    '--level': Object.keys(LEVELS),
    '--section': [...SECTION_IDS, ALL_SECTIONS],
    '--view': VIEW_NAMES,
    '--reason': reasons,
    '--exclude': reasons,
    '--backend': ['tracefs', 'perf'],
  };
}

export async function completion(shell: string, environment: Environment): Promise<number> {
  const root = commandTree(
    createProgram(environment, () => {}),
    knownWords(),
  );
  await writeToStream(environment.stdout, SCRIPTS[shell](root));
  return 0;
}
