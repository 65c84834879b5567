// Markup as browsers read it, in pieces. It may come from anywhere: whatever is left open in it, each character is looked at only a few times.

/** A tag or a comment: where it begins and ends, and the name of the element, in small letters. A comment has none. */
export type Token = { name: string; closes: boolean; begin: number; end: number };

const opening = /<(?:(\/?)([a-z][^\s/>]*)|[!?])/gi;

export function tokensOf(html: string): Token[] {
  const tokens: Token[] = [];
  opening.lastIndex = 0;
  for (let found = opening.exec(html); found !== null; found = opening.exec(html)) {
    const { index: begin, 1: slash = "", 2: name = "" } = found;
    const end = name === "" ? endOfComment(html, begin) : endOfTag(html, opening.lastIndex);
    // What is never closed goes to the end, and is nothing.
    if (end === null) break;
    tokens.push({ name: name.toLowerCase(), closes: slash !== "", begin, end });
    opening.lastIndex = end;
  }
  return tokens;
}

function endOfComment(html: string, begin: number): number | null {
  const [last, from] = html.startsWith("<!--", begin) ? ["-->", begin + 2] as const : [">", begin] as const;
  const end = html.indexOf(last, from);
  return end < 0 ? null : end + last.length;
}

/** Quotes hold a value only behind the sign that says so. */
function endOfTag(html: string, from: number): number | null {
  const next = />|=\s*(?:["']|[^\s>"'][^\s>]*)?/g;
  next.lastIndex = from;
  for (let found = next.exec(html); found !== null; found = next.exec(html)) {
    if (found[0] === ">") return next.lastIndex;
    const quote = found[0].at(-1);
    if (!/^=\s*["']$/.test(found[0]) || quote === undefined) continue;
    const closed = html.indexOf(quote, next.lastIndex);
    if (closed < 0) return null;
    next.lastIndex = closed + 1;
  }
  return null;
}

/** A part of markup, and what is to stand there. */
export type Change = { begin: number; end: number; text: string };

/** The markup with changes that follow each other. */
export function changed(html: string, changes: Iterable<Change>): string {
  const parts: string[] = [];
  let end = 0;
  for (const change of changes) {
    parts.push(html.slice(end, change.begin), change.text);
    end = change.end;
  }
  parts.push(html.slice(end));
  return parts.join("");
}

/** The markup with other tags in the place of those that begin elements. */
export function withTags(html: string, name: string | null, change: (tag: string) => string): string {
  const begun = tokensOf(html).filter((token) => !token.closes && (name === null ? token.name !== "" : token.name === name));
  return changed(html, begun.map(({ begin, end }) => ({ begin, end, text: change(html.slice(begin, end)) })));
}

/** Where elements of a name stand, from tag to tag, each as far as the first that closes one. */
export function elementsOf(html: string, name: string): { begin: number; end: number }[] {
  const found: { begin: number; end: number }[] = [];
  let begun: Token | null = null;
  for (const token of tokensOf(html)) {
    if (token.name !== name) continue;
    if (!token.closes) begun ??= token;
    else if (begun !== null) {
      found.push({ begin: begun.begin, end: token.end });
      begun = null;
    }
  }
  return found;
}

export function withoutElements(html: string, name: string): string {
  return changed(html, elementsOf(html, name).map((element) => ({ ...element, text: "" })));
}

/** What stands between the tags. */
export function textOf(html: string): string {
  return changed(html, tokensOf(html).map(({ begin, end }) => ({ begin, end, text: "" })));
}
