/** The views of `kvmtrace report --view NAME`. A new one is one new file and one line here and in view-names.ts. */
import type { PassRequest } from '../../analysis/pass.ts';
import type { GroupKey, ReportModel } from '../model.ts';
import type { SectionInput } from '../sections.ts';
import { bpfCountView, bpfHistView, bpfSlowerView, bpfTimeView } from './kvm-bpf.ts';
import { kvmStatView } from './kvm-stat.ts';
import { kvmexitView } from './kvmexit.ts';
import { kvmexitaarch64View } from './kvmexitaarch64.ts';
import { perfKvmViews } from './perf-kvm.ts';
import { perfProfView } from './perf-prof.ts';
import { perfStatView } from './perf-stat.ts';
import { unfollowed, type View, type ViewRequest } from './view.ts';

const VIEWS: readonly View[] = [
  kvmexitView,
  kvmexitaarch64View,
  bpfCountView,
  bpfTimeView,
  bpfHistView,
  bpfSlowerView,
  perfProfView,
  ...perfKvmViews,
  perfStatView,
  kvmStatView,
];

/** @throws Error for an unknown name: options have been checked before. */
function viewByName(name: string): View {
  const view = VIEWS.find((candidate) => candidate.name === name);
  if (!view) throw new Error(`no view "${name}"`);
  return view;
}

export function viewPasses({ name, options }: ViewRequest): readonly PassRequest[] {
  return viewByName(name).passes(options);
}

export function viewGrouping({ name, options }: ViewRequest): readonly GroupKey[] {
  return viewByName(name).by(options);
}

/** The model with the view's text. */
export function withView(input: SectionInput, { name, options }: ViewRequest): ReportModel {
  const view = viewByName(name);
  const text = [view.render(input, options), ...unfollowed(view, options).map((line) => `${line}\n`)].join(
    '',
  );
  return { ...input.model, view: { name, tool: view.tool, text } };
}
