/** Metadata of the schema: what the file is, and what the context says now. */
import type { TraceContext } from '../core/trace-context.ts';
import { TOPIC_NAMES, TOPICS, type Topic, topicKey } from '../parsers/capture-arrow/metadata.ts';
import { CAPTURE_SCHEMA, CAPTURE_VERSION, COLUMNS } from '../parsers/capture-arrow/schema.ts';

/** A thread table that is this large is repeated only when it has grown by an eighth. */
const LARGE_THREAD_TABLE = 4096;

/** What the file already says of each topic. */
export interface TopicState {
  readonly texts: Map<Topic, string>;
  threads: number;
}

export function createTopicState(): TopicState {
  return { texts: new Map(), threads: 0 };
}

export function fileMetadata(
  context: TraceContext,
  toolVersion: string,
  state: TopicState,
): Map<string, string> {
  const metadata = new Map([
    ['kvmtrace.schema', CAPTURE_SCHEMA],
    ['kvmtrace.version', String(CAPTURE_VERSION)],
    ['kvmtrace.tool', `kvmtrace ${toolVersion}`],
  ]);
  for (const topic of TOPIC_NAMES) {
    const text = JSON.stringify(TOPICS[topic](context));
    state.texts.set(topic, text);
    metadata.set(topicKey(topic), text);
  }
  state.threads = context.threads.byTid.size;
  return metadata;
}

/** Topics that have changed since they were written, for a reader of an unfinished file. */
export function changedTopics(context: TraceContext, state: TopicState): Map<string, string> {
  const changed = new Map<string, string>();
  for (const topic of TOPIC_NAMES) {
    const { size } = context.threads.byTid;
    if (topic === 'threads' && size > LARGE_THREAD_TABLE && size < state.threads * 1.125) continue;
    const text = JSON.stringify(TOPICS[topic](context));
    if (text === state.texts.get(topic)) continue;
    if (topic === 'threads') state.threads = size;
    state.texts.set(topic, text);
    changed.set(topicKey(topic), text);
  }
  return changed;
}

const ABOUT = new Map(COLUMNS.map(({ name, about }) => [name, about]));

export function fieldMetadata(context: TraceContext): (column: string) => Map<string, string> {
  return (column) => {
    const metadata = new Map([['about', ABOUT.get(column) ?? '']]);
    if (column !== 'time') return metadata;
    metadata.set('unit', context.timeIsNs ? 'ns' : 'unknown');
    metadata.set('clock', context.clock ?? 'unknown');
    return metadata;
  };
}
