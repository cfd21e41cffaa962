/** How to get a report again: the command line, versions, and checksums of the inputs (computed beside the analysis). */
import { startChecksums } from '../capture/checksum.ts';
import type { ReproduceModel } from '../report/model.ts';
import { toolVersion } from './version.ts';

export async function startReproduction(
  inputs: readonly string[],
  args: readonly string[],
): Promise<ReproduceModel> {
  const sums = await startChecksums(inputs);
  return {
    command: [...args],
    versions: { kvmtrace: toolVersion(), 'Node.js': process.version },
    inputs: inputs.map((path, i) => ({ path, sha256: sums[i] })),
  };
}
