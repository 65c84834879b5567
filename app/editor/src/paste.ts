// Pasted markup keeps what the schema knows; the parser drops the rest.
import type { TagParseRule } from "prosemirror-model";

/** Makes markup from elsewhere readable for the schema; what was copied from an editor like this one already is. */
export function readable(html: string): string {
  return html.includes("data-pm-slice") ? html : withoutSourceLines(withoutStyles(html));
}

// Source lines break anywhere, which the textblocks would keep as line breaks. Runs of white space become one space,
// except in preformatted text; `<br>` stays a line break.
function withoutSourceLines(html: string): string {
  return html
    .split(/(<pre[\s>][\s\S]*?<\/pre>)/i)
    .map((part, i) => (i % 2 === 1 ? part : part.replace(/[ \t\r\n\f]+/g, " ").replace(/(<(?:p|h[1-6])\b[^>]*>) /gi, "$1")))
    .join("");
}

// The page's Content-Security-Policy empties style attributes, and with them bold and italic from word processors, so
// they are read under another name.
function withoutStyles(html: string): string {
  return html.replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/\sstyle=/gi, " data-style="));
}

/** A rule that finds a mark by a style, as `readable` leaves it. */
export function byStyle(pattern: RegExp): TagParseRule {
  return { tag: "[data-style]", consuming: false, priority: 60, getAttrs: (element) => pattern.test(element.dataset.style ?? "") && null };
}
