/** Entry of the command line: runs a command and turns what happens into an exit status. */
import { existsSync, writeSync } from 'node:fs';
import { CommanderError } from 'commander';
import { type Environment, processEnvironment } from './environment.ts';
import { describeError } from './errors.ts';
import { abortOutputs } from './output.ts';
import { createProgram } from './program.ts';
import { leaveDeadTerminals } from './standard-streams.ts';

/** Commands that leave nothing to be done when they return: no child process, no pipe that is still being emptied. */
const ENDING = ['report', 'info', 'diff'];

/** Runs with the process's own streams and sets its exit status. */
export async function main(args: readonly string[]): Promise<void> {
  // A recording goes on when nobody reads its messages any more: its terminal was closed, or the pipe.
  const goesOn = args[0] === 'record';
  process.exitCode = await run(
    args,
    processEnvironment((error) => {
      if (goesOn) return;
      abortOutputs();
      // `kvmtrace report … | head`: the reader has seen enough, which is no error.
      if (error.code === 'EPIPE') process.exit(0);
      tell(Object.assign(error, { path: 'standard output' }));
      process.exit(2);
    }),
  );
  if (goesOn) leaveDeadTerminals();
  // Taking down what Node.js has set up, and the analysis thread, takes 5 ms more; the system does it faster.
  if (ENDING.includes(args[0])) process.exit();
}

/** Without the streams, one of which has just failed. */
function tell(error: Error): void {
  try {
    writeSync(2, `kvmtrace: ${describeError(error, null).lines.join('\n')}\n`);
  } catch {
    // Standard error it was, or it fails as well: the exit status is left.
  }
}

/** The exit status of one command line; never throws. */
export async function run(args: readonly string[], environment: Environment): Promise<number> {
  let status = 0;
  const program = createProgram({ args, ...environment }, (result) => {
    status = result;
  });
  try {
    const names = ['help', ...program.commands.map((command) => command.name())];
    await program.parseAsync(nonsenseAlone(args, names), { from: 'user' });
    return status;
  } catch (error) {
    return report(error, args, environment);
  }
}

/** `help nonsense` and `nonsense --help` as `nonsense`: help of the program would be taken for that of the command. */
function nonsenseAlone(args: readonly string[], names: readonly string[]): string[] {
  const [name] = args[0] === 'help' ? args.slice(1) : args;
  return name === undefined || name.startsWith('-') || names.includes(name) ? [...args] : [name];
}

function report(error: unknown, args: readonly string[], { stderr }: Environment): number {
  if (error instanceof CommanderError) {
    // Commander has written its message. Help that was asked for is a success, help instead of a command is not.
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.unknownCommand' && existsSync(args[0]))
      stderr.write(`  To analyse the file: kvmtrace report ${args.join(' ')}\n`);
    return 2;
  }
  if ((error as NodeJS.ErrnoException)?.code === 'EPIPE') return 0;
  const inputs = args.slice(1).filter((arg) => !arg.startsWith('-'));
  const { lines, exitCode } = describeError(error, inputs.length === 1 ? inputs[0] : null);
  stderr.write(`kvmtrace: ${lines.join('\n')}\n`);
  if (args.includes('--debug') && error instanceof Error) stderr.write(`${error.stack}\n`);
  return exitCode;
}
