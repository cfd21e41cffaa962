/** The parts of an HTML report in their order on the page. A new one is one new file and one line here. */
import type { ReportModel } from '../model.ts';
import { holdsQemuOnly } from '../verdict-words.ts';
import { advicePart } from './advice.ts';
import { escalationPart } from './escalation.ts';
import { latencyPart } from './latency.ts';
import type { Part } from './part.ts';
import { ratePart } from './rate.ts';
import { reasonsPart } from './reasons.ts';
import { reproducePart } from './reproduce.ts';
import { otherSections } from './sections.ts';
import { slowPart } from './slow.ts';
import { vcpusPart } from './vcpus.ts';
import { verdictPart } from './verdict.ts';

/** Sections of the model that a part below shows. */
const SHOWN_BY_PARTS: readonly string[] = ['advice', 'context', 'ledger', 'heatmap', 'intervals', 'storms'];

const detailsPart: Part = {
  id: 'details',
  title: 'Details',
  render: (model, options) => otherSections(model, SHOWN_BY_PARTS, options),
};

const PARTS: readonly Part[] = [
  verdictPart,
  advicePart,
  vcpusPart,
  reasonsPart,
  escalationPart,
  latencyPart,
  ratePart,
  slowPart,
  detailsPart,
  reproducePart,
];

/** Of a recording of QEMU's side alone, what there is stands before what there is not. */
export function partsOf(model: ReportModel): readonly Part[] {
  if (!holdsQemuOnly(model)) return PARTS;
  const first = [verdictPart, advicePart, detailsPart];
  return [...first, ...PARTS.filter((part) => !first.includes(part))];
}
