// Pasted markup keeps what the schema knows; the parser drops the rest.

/**
 * Markup from elsewhere breaks its source lines anywhere, which the textblocks would keep as line breaks. Runs of white
 * space become one space, except in preformatted text; `<br>` stays a line break.
 */
export function withoutSourceLines(html: string): string {
  if (html.includes("data-pm-slice")) return html;
  return html
    .split(/(<pre[\s>][\s\S]*?<\/pre>)/i)
    .map((part, i) => (i % 2 === 1 ? part : part.replace(/[ \t\r\n\f]+/g, " ").replace(/(<(?:p|h[1-6])\b[^>]*>) /gi, "$1")))
    .join("");
}
