/** Puts the stage of analysis/vcpu-threads.ts in front of the analyses, where an input is from such a machine. */
import { assignThreads, createVcpuThreads } from '../analysis/vcpu-threads.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { EventStream } from './event-stream.ts';

export function withVcpuThreads(stream: EventStream): EventStream {
  return { ...stream, batches: assigned(stream) };
}

function* assigned(stream: EventStream): Generator<EventBatch, void, void> {
  let threads: ReturnType<typeof createVcpuThreads> | null = null;
  for (let next = stream.batches.next(); !next.done; next = stream.batches.next()) {
    if (stream.isFrom('ppc')) {
      threads ??= createVcpuThreads(stream.context);
      assignThreads(threads, next.value);
    }
    yield next.value;
  }
}
