/**
 * Event names with their counts, the most frequent first: an object alone cannot tell, as JavaScript gives keys that
 * are decimal numbers before all others, and an event may be called `123`.
 */
export function byCount(events: Readonly<Record<string, number>>): [name: string, count: number][] {
  return Object.entries(events).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}
