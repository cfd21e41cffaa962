/** A small deterministic generator (mulberry32), so that a seed names a run. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Numbers below n, and members of lists. */
export function picker(random) {
  const below = (n) => Math.floor(random() * n);
  return { below, one: (list) => list[below(list.length)], chance: (part) => random() < part };
}
