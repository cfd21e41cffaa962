/**
 * The only script of an HTML report: sorts tables by a click on a column's title, and opens all details for printing, those about the recording at the end.
 * Without it everything can be read, in the order of the report.
 */
export const SCRIPT = `'use strict';
(() => {
  const units = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, '%': 1 };
  const valueOf = (cell) => {
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    const match = /^[<>]?(-?[\\d,]+(?:\\.\\d+)?)\\s*(ns|us|ms|s|%)?$/.exec(text);
    if (!match) return text === '-' || text === '' ? null : text.toLowerCase();
    return Number(match[1].replaceAll(',', '')) * (units[match[2]] ?? 1);
  };
  const compare = (a, b) => {
    if (a === b) return 0;
    if (a === null) return 1;
    if (b === null) return -1;
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return String(a) < String(b) ? -1 : 1;
  };
  const sort = (table, column, head) => {
    const numbers = head.classList.contains('n');
    const now = head.getAttribute('aria-sort');
    const down = now ? now === 'ascending' : numbers;
    for (const other of head.parentNode.children) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, i) => ({ row, i, value: valueOf(row.cells[column]) }));
    rows.sort((a, b) =>
      a.value === null || b.value === null
        ? compare(a.value, b.value) || a.i - b.i
        : (down ? compare(b.value, a.value) : compare(a.value, b.value)) || a.i - b.i);
    body.append(...rows.map(({ row }) => row));
  };
  for (const table of document.querySelectorAll('table.sort')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => sort(table, column, head));
    });
  }
  for (const hint of document.querySelectorAll('.hint[hidden]')) hint.hidden = false;
  let closed = [];
  let inPlace = [];
  const recorded = document.querySelector('#recorded');
  addEventListener('beforeprint', () => {
    closed = [...document.querySelectorAll('details:not([open])')];
    for (const details of closed) details.open = true;
    // On paper a page of events would stand before where the time goes.
    inPlace = recorded ? [...recorded.children] : [];
    if (recorded) recorded.parentNode.append(...closed.filter((details) => inPlace.includes(details)));
  });
  addEventListener('afterprint', () => {
    if (recorded) recorded.append(...inPlace);
    for (const details of closed) details.open = false;
  });
})();
`;
