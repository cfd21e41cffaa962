/** Which exits the kernel handled itself, and which went on to user space, as a flow. */

import { plainText } from '../../core/plain-text.ts';
import { formatCount, formatRatio, plural } from '../../core/units.ts';
import { shortUserspaceName } from '../../isa/userspace-exits.ts';
import { escalationFacts, whyNoEscalations } from '../figure-words.ts';
import type { ReportModel } from '../model.ts';
import { shownReason } from '../reason-identity.ts';
import { type FlowLink, type FlowNode, flow } from '../svg/flow.ts';
import { truncate } from '../table.ts';
import { escalationByReason, escalationByUserspaceReason, hasSeveralIsas } from '../tables.ts';
import { type Markup, markup, prose } from './markup.ts';
import type { Part } from './part.ts';
import { sharedTable } from './table.ts';

/** Nodes of a column; what is rarer becomes one node. */
const MOST_NODES = 8;
/** Characters: two labels stand side by side on a narrow screen. */
const LONGEST_LABEL = 24;

interface Item {
  readonly name: string;
  readonly value: number;
  readonly escalated: number;
}

/** The items that escalate most (half of the places at most) and the most frequent ones; the rest is summed up. */
function largest(items: readonly Item[], other: string): Item[] {
  if (items.length <= MOST_NODES) return [...items];
  const escalating = items
    .filter(({ escalated }) => escalated > 0)
    .sort((a, b) => b.escalated - a.escalated)
    .slice(0, MOST_NODES / 2);
  const chosen = new Set(escalating);
  for (const item of [...items].sort((a, b) => b.value - a.value))
    if (chosen.size < MOST_NODES - 1) chosen.add(item);
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

const ofValue = (label: string, value: number, kind: string): FlowNode => ({
  label: `${truncate(plainText(label), LONGEST_LABEL)} ${formatCount(value)}`,
  kind,
  value,
});

/** Names with what they add up to, the largest first, a node for the rest. */
function summed(pairs: readonly (readonly [string, number])[], other: string): Item[] {
  const sums = new Map<string, number>();
  for (const [name, value] of pairs) sums.set(name, (sums.get(name) ?? 0) + value);
  return largest(
    [...sums].map(([name, value]) => ({ name, value, escalated: 0 })).sort((a, b) => b.value - a.value),
    other,
  );
}

interface Flow {
  readonly columns: FlowNode[][];
  readonly links: FlowLink[];
  readonly steps: string;
}

/** Exit reason → kernel or user space → KVM_EXIT reason: which belongs to which is not in the model. */
function coarseFlow(model: ReportModel, reasons: readonly Item[], kernel: number, user: number): Flow {
  const targets = summed(
    model.escalation.byUserspaceReason
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => [shortUserspaceName(name), count] as const),
    'others',
  );
  const columns: FlowNode[][] = [
    reasonNodes(reasons),
    [
      ...(kernel > 0 ? [ofValue('kernel', kernel, 'kernel')] : []),
      ...(user > 0 ? [ofValue('user space', user, 'user')] : []),
    ],
  ];
  const userNode = kernel > 0 ? 1 : 0;
  const links: FlowLink[] = reasons.flatMap(({ value, escalated }, from) => [
    ...(value > escalated ? [{ column: 0, from, to: 0, value: value - escalated }] : []),
    ...(escalated > 0 ? [{ column: 0, from, to: userNode, value: escalated }] : []),
  ]);
  if (user > 0 && targets.length > 0) {
    columns.push(targets.map(({ name, value }) => ofValue(name, value, 'user')));
    targets.forEach(({ value }, to) => {
      links.push({ column: 1, from: userNode, to, value });
    });
  }
  return { columns, links, steps: targets.length > 0 ? ' → KVM_EXIT reason' : '' };
}

function reasonNodes(reasons: readonly Item[]): FlowNode[] {
  return reasons.map(({ name, value, escalated }) => ofValue(name, value, escalated > 0 ? 'user' : 'kernel'));
}

/** Exit reason → kernel or KVM_EXIT reason → device. */
function deviceFlow(
  model: ReportModel,
  reasons: readonly Item[],
  nameOf: (row: { isa: string; name: string }) => string,
  kernel: number,
): Flow {
  const rows = (model.devices?.escalations ?? []).filter(({ count }) => count > 0);
  const deviceOf = (row: (typeof rows)[number]) =>
    row.device ?? (row.address === null ? 'not recorded' : `${row.kind} ${row.address}`);
  const exits = summed(
    rows.map((row) => [shortUserspaceName(row.userspaceName), row.count] as const),
    'other KVM_EXIT',
  );
  const devices = summed(
    rows.map((row) => [deviceOf(row), row.count] as const),
    'other devices',
  );
  const indexIn = (items: readonly Item[], name: string) => {
    const at = items.findIndex((item) => item.name === name);
    return at < 0 ? items.length - 1 : at;
  };
  const before = kernel > 0 ? 1 : 0;
  const values = new Map<string, FlowLink>();
  const add = (column: number, from: number, to: number, value: number) => {
    const key = `${column} ${from} ${to}`;
    values.set(key, { column, from, to, value: (values.get(key)?.value ?? 0) + value });
  };
  reasons.forEach(({ value, escalated }, from) => {
    if (value > escalated) add(0, from, 0, value - escalated);
  });
  for (const row of rows) {
    const exit = before + indexIn(exits, shortUserspaceName(row.userspaceName));
    add(0, indexIn(reasons, nameOf(row)), exit, row.count);
    add(1, exit, indexIn(devices, deviceOf(row)), row.count);
  }
  return {
    columns: [
      reasonNodes(reasons),
      [
        ...(kernel > 0 ? [ofValue('kernel', kernel, 'kernel')] : []),
        ...exits.map(({ name, value }) => ofValue(name, value, 'user')),
      ],
      devices.map(({ name, value }) => ofValue(name, value, 'user')),
    ],
    links: [...values.values()].sort((a, b) => a.column - b.column || a.from - b.from || a.to - b.to),
    steps: ' with a KVM_EXIT reason → device',
  };
}

function flowChart(model: ReportModel): Markup | null {
  const { escalation } = model;
  const showIsa = hasSeveralIsas(model);
  const nameOf = (row: { isa: string; name: string }) => shownReason(row, showIsa);
  const reasons = largest(
    escalation.byReason
      .filter(({ exits }) => exits > 0)
      .map((row) => ({ name: nameOf(row), value: row.exits, escalated: row.escalated }))
      .sort((a, b) => b.value - a.value),
    'other reasons',
  );
  if (reasons.length === 0 || escalation.exits === null) return null;
  const user = escalation.escalated ?? 0;
  const kernel = escalation.exits - user;
  const { columns, links, steps } = model.devices?.escalations.some(
    ({ count, address }) => count > 0 && address !== null,
  )
    ? deviceFlow(model, reasons, nameOf, kernel)
    : coarseFlow(model, reasons, kernel, user);
  return markup`<figure><figcaption>Exits by reason → handled in the kernel or handed to user space${steps}; the wider, the more exits</figcaption>${flow(
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
    const nothing = whyNoEscalations(model);
    if (nothing !== null) return markup`<p>${nothing}</p>`;
    return markup`<p>${prose(`${escalationFacts(data).join('; ')}.`)}</p>${flowChart(model)}${
      data.byReason.some((row) => row.escalated > 0) &&
      sharedTable('Escalation by exit reason', escalationByReason(model, rows))
    }${
      data.byUserspaceReason.length > 0 &&
      sharedTable('Escalation by KVM_EXIT reason', escalationByUserspaceReason(model, rows))
    }`;
  },
};
