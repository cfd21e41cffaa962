/** Notes of kvmtrace's recorder inside a trace.dat: used where they are sound, left out where not. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTraceContext } from '../src/core/trace-context.ts';
import { applyRecorderNotes, parseRecorderNotes } from '../src/parsers/trace-dat/recorder-notes.ts';

const notes = {
  kvmtrace: {
    format: 1,
    end: 'duration',
    recorder: 'kvmtrace-capture 0.1.0',
    host: 'h',
    kernel: '6.1.0',
    machine: 'x86_64',
    cpu: { vendor_id: 'AuthenticAMD', 'model name': 'EPYC' },
    argv: ['kvmtrace-capture', '-d', '10'],
    events: ['kvm:kvm_exit', 'sched:sched_switch'],
    vms: [
      {
        pid: 147,
        name: 'life',
        vcpus: [
          [0, 151],
          [1, 152],
        ],
      },
    ],
    threads: { '147': [149, 151, 152] },
  },
};

test('facts, events, VMs and thread groups reach the context', () => {
  const context = createTraceContext();
  applyRecorderNotes([parseRecorderNotes(JSON.stringify(notes))!], context);
  expect(context).toMatchObject({
    host: 'h',
    kernel: '6.1.0',
    arch: 'x86_64',
    cpuModel: 'EPYC',
    defaultIsa: 2,
  });
  expect([...context.enabledEvents!]).toEqual(['kvm_exit', 'sched_switch']);
  expect(context.threads.byTid.get(152)).toMatchObject({ pid: 147, vcpu: 1, vm: 'life' });
  expect(context.threads.byTid.get(149)).toMatchObject({ pid: 147, vcpu: -1 });
  expect(context.facts.get('recording ended by')).toBe('duration');
});

test('a mapping of processes is no note', () => {
  expect(parseRecorderNotes('1a 0 qemu\n')).toBeNull();
  expect(parseRecorderNotes('{"other":{}}')).toBeNull();
});

test('any JSON under the key is taken without harm, and never a thread number that cannot be', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const context = createTraceContext();
      const parsed = parseRecorderNotes(`{"kvmtrace":${JSON.stringify(value)}}`);
      if (parsed) applyRecorderNotes([parsed], context);
      for (const tid of context.threads.byTid.keys()) expect(tid).toBeGreaterThan(0);
    }),
  );
});
