/** Which exits the kernel handled itself, and which went on to user space, as a flow. */

import type { ReportModel } from '../model.ts';
import { type FlowLink, type FlowNode, flow } from '../svg/flow.ts';
import { escalationByReason, escalationByUserspaceReason, hasSeveralIsas } from '../tables.ts';
import { formatCount, formatNs, formatPct, formatRatio, plural } from '../units.ts';
import { type Markup, markup } from './markup.ts';
import type { Part } from './part.ts';
import { sharedTable } from './table.ts';

/** Nodes of a column; what is rarer becomes one node. */
const MOST_NODES = 7;

interface Item {
  readonly name: string;
  readonly value: number;
  readonly escalated: number;
}

/** The most frequent items and those that escalate most; the rest is summed up. */
function largest(items: readonly Item[], other: string): Item[] {
  if (items.length <= MOST_NODES) return [...items];
  const weight = ({ value, escalated }: Item) => value + 4 * escalated;
  const chosen = new Set([...items].sort((a, b) => weight(b) - weight(a)).slice(0, MOST_NODES - 1));
  const rest = items.filter((item) => !chosen.has(item));
  return [
    ...items.filter((item) => chosen.has(item)),
    {
      name: `${rest.length} ${other}`,
      value: rest.reduce((sum, { value }) => sum + value, 0),
      escalated: rest.reduce((sum, { escalated }) => sum + escalated, 0),
    },
  ];
}

function flowChart(model: ReportModel): Markup | null {
  const { escalation } = model;
  const showIsa = hasSeveralIsas(model);
  const reasons = largest(
    escalation.byReason
      .filter(({ exits }) => exits > 0)
      .map(({ isa, name, exits, escalated }) => ({
        name: showIsa ? `${isa} ${name}` : name,
        value: exits,
        escalated,
      }))
      .sort((a, b) => b.value - a.value),
    'other reasons',
  );
  if (reasons.length === 0 || escalation.exits === null) return null;
  const user = escalation.escalated ?? 0;
  const kernel = escalation.exits - user;
  const targets = largest(
    escalation.byUserspaceReason
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => ({ name: name.replace(/^KVM_EXIT_/, ''), value: count, escalated: 0 })),
    'others',
  );
  const node = (label: string, value: number, kind: string): FlowNode => ({
    label: `${label} ${formatCount(value)}`,
    kind,
    value,
  });
  const columns: FlowNode[][] = [
    reasons.map(({ name, value, escalated }) => node(name, value, escalated > 0 ? 'user' : 'kernel')),
    [
      ...(kernel > 0 ? [node('kernel', kernel, 'kernel')] : []),
      ...(user > 0 ? [node('user space', user, 'user')] : []),
    ],
  ];
  const userNode = kernel > 0 ? 1 : 0;
  const links: FlowLink[] = reasons.flatMap(({ value, escalated }, from) => [
    ...(value > escalated ? [{ column: 0, from, to: 0, value: value - escalated }] : []),
    ...(escalated > 0 ? [{ column: 0, from, to: userNode, value: escalated }] : []),
  ]);
  if (user > 0 && targets.length > 0) {
    columns.push(targets.map(({ name, value }) => node(name, value, 'user')));
    targets.forEach(({ value }, to) => {
      links.push({ column: 1, from: userNode, to, value });
    });
  }
  return markup`<figure><figcaption>Exits by reason → handled in the kernel or handed to user space${targets.length > 0 && ' → KVM_EXIT reason'}; the wider, the more exits</figcaption>${flow(
    {
      id: 'c-flow',
      title: 'Where exits are handled',
      description: `${formatCount(kernel)} of ${plural(escalation.exits, 'exit')} were handled in the kernel, ${formatCount(user)} (${formatRatio(escalation.ratio)}) went on to user space. The tables below have the numbers.`,
    },
    columns,
    links,
  )}</figure>`;
}

export const escalationPart: Part = {
  id: 'escalation',
  title: 'Escalation to user space',
  render: (model, { rows }) => {
    const { escalation: data } = model;
    if (!data.known)
      return markup`<p>Not recorded: the capture has neither kvm_userspace_exit events nor QEMU data.</p>`;
    const facts = [
      data.exits === null
        ? `${formatCount(data.escalated)} escalations`
        : `${formatCount(data.escalated)} of ${plural(data.exits, 'exit')} (${formatPct(data.ratio === null ? null : 100 * data.ratio)}) went on to user space`,
      ...(data.restarts === null ? [] : [`${plural(data.restarts, 'restart')} (signals, kicks)`]),
      ...(data.errors ? [plural(data.errors, 'error')] : []),
      ...(data.kernelNs === null ? [] : [`${formatNs(data.kernelNs)} of their time in the kernel`]),
      ...(data.userspaceNs === null ? [] : [`${formatNs(data.userspaceNs)} in user space`]),
    ];
    return markup`<p>${facts.join('; ')}.</p>${flowChart(model)}${
      data.byReason.some((row) => row.escalated > 0) &&
      sharedTable('Escalation by exit reason', escalationByReason(model, rows))
    }${
      data.byUserspaceReason.length > 0 &&
      sharedTable('Escalation by KVM_EXIT reason', escalationByUserspaceReason(model, rows))
    }`;
  },
};
