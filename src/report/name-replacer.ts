/** Replaces names where they stand as words of a text: any number of names, of any length and any characters. */

/** What a name has at least; shorter ones are too often parts of sentences. */
const SHORTEST = 3;
const WORD = /[A-Za-z0-9_]/;

/** `names` are those of now: what is added later is not replaced. Where several fit, the longest one is. */
export function nameReplacer(names: ReadonlyMap<string, string>): (text: string) => string {
  // A regular expression of all names would be too large for some recordings.
  const byStart = new Map<string, string[]>();
  for (const name of names.keys()) {
    if (name.trim().length < SHORTEST) continue;
    const start = name.slice(0, SHORTEST);
    const list = byStart.get(start);
    if (list) list.push(name);
    else byStart.set(start, [name]);
  }
  for (const list of byStart.values()) list.sort((a, b) => b.length - a.length);
  return (text) => {
    let result = '';
    let taken = 0;
    for (let at = 0; at + SHORTEST <= text.length; at++) {
      if (at > 0 && WORD.test(text[at - 1])) continue;
      const name = byStart.get(text.slice(at, at + SHORTEST))?.find((known) => isWordAt(text, at, known));
      if (name === undefined) continue;
      result += text.slice(taken, at) + names.get(name);
      taken = at + name.length;
      at = taken - 1;
    }
    return result + text.slice(taken);
  };
}

function isWordAt(text: string, at: number, name: string): boolean {
  const end = at + name.length;
  return text.startsWith(name, at) && !(end < text.length && WORD.test(text[end]));
}
