// What word processors put on the clipboard, in the markup that everybody else writes. What is that already stays as it is.
import { changed, type Change, textOf, type Token, tokensOf, withTags } from "./markup.ts";

/** Lists of Word, check lists of Google Docs, and the headings of tables. */
export function inPlainMarkup(html: string): string {
  return withHeadings(withChecks(withoutSigns(withLists(html.replace(/<o:p>(?:\s|&nbsp;)*<\/o:p>/gi, "")))));
}

/** Google Docs draws the box of an item as a picture. */
export function withoutBoxes(html: string): string {
  return withTags(html, "img", (tag) => (/\saria-roledescription="checkbox"/i.test(tag) ? "" : tag));
}

type Item = { level: number; list: "ul" | "ol"; markup: string };

// Word writes an item as a paragraph that names its list and its level in its style, with the item's sign as text.
function withLists(html: string): string {
  const written: string[] = [];
  let items: Item[] = [];
  let end = 0;
  const close = () => {
    written.push(listsOf(items));
    items = [];
  };
  for (const { begin, inner, closing, after } of paragraphsOf(html)) {
    const tag = html.slice(begin, inner);
    const level = /\bmso-list:\s*l\d+\s+level(\d+)/i.exec(tag)?.[1];
    if (level === undefined) continue;
    const between = html.slice(end, begin);
    if (!isNothing(between)) close();
    if (items.length === 0) written.push(between);
    const content = html.slice(inner, closing);
    const said = tag.replace(/\bmso-list:[^;"'>]*;?/i, "");
    items.push({ level: Math.max(Number(level), 1), list: isNumber(signOf(content)) ? "ol" : "ul", markup: `${said}${withoutSigns(content)}</p>` });
    end = after;
  }
  close();
  return written.join("") + html.slice(end);
}

/** Where paragraphs begin and end. One that is not closed ends where the next begins. */
function paragraphsOf(html: string): { begin: number; inner: number; closing: number; after: number }[] {
  const found: { begin: number; inner: number; closing: number; after: number }[] = [];
  let begun: Token | null = null;
  for (const token of tokensOf(html)) {
    if (token.name !== "p") continue;
    if (begun !== null) found.push({ begin: begun.begin, inner: begun.end, closing: token.begin, after: token.closes ? token.end : token.begin });
    begun = token.closes ? null : token;
  }
  return found;
}

/** Whether that may stand between items of one list. */
function isNothing(html: string): boolean {
  const kept = tokensOf(html).some(({ name, begin }) => name !== "" || /^<!--(?:StartFragment|EndFragment)/.test(html.slice(begin, begin + 17)));
  return !kept && textOf(html).trim() === "";
}

/** Where the signs of items and headings stand, in Word's own condition. */
function signsIn(html: string): { begin: number; end: number }[] {
  const found: { begin: number; end: number }[] = [];
  let begun: number | null = null;
  for (const { name, begin, end } of tokensOf(html)) {
    if (name !== "") continue;
    const comment = html.slice(begin, Math.min(end, begin + 30));
    if (/^<!(?:--)?\[if !supportLists\]/i.test(comment)) begun ??= begin;
    else if (begun !== null && /^<!(?:--)?\[endif\]/i.test(comment)) {
      found.push({ begin: begun, end });
      begun = null;
    }
  }
  return found;
}

function withoutSigns(html: string): string {
  return changed(html, signsIn(html).map((sign) => ({ ...sign, text: "" })));
}

function signOf(content: string): string {
  const [sign] = signsIn(content);
  return sign === undefined ? "" : textOf(content.slice(sign.begin, sign.end)).replace(/&nbsp;/gi, "").trim();
}

/** Whether an item's sign is a number, as `1.2`, or a letter that counts: what closes it tells it from a bullet that is an `o`. */
function isNumber(sign: string): boolean {
  return /^[(（]?(?:\p{N}+(?:[.．]\p{N}+)*[.)、．）]?|[\p{L}\p{M}\p{N}]+(?:[.．][\p{L}\p{M}\p{N}]+)*[.)、．）])$/u.test(sign);
}

function listsOf(items: Item[]): string {
  const open: { level: number; list: Item["list"] }[] = [];
  let written = "";
  const leave = () => (written += `</li></${open.pop()?.list}>`);
  for (const { level, list, markup } of items) {
    for (let top = open.at(-1); top !== undefined && top.level > level; top = open.at(-1)) {
      // What is two levels deeper than the item before is shown one deeper, and what comes between the two stands beside it.
      if ((open.at(-2)?.level ?? 0) < level) top.level = level;
      else leave();
    }
    const top = open.at(-1);
    if (top?.level === level && top.list === list) {
      written += "</li><li>";
    } else {
      if (top?.level === level) leave();
      open.push({ level, list });
      written += `<${list}><li>`;
    }
    written += markup;
  }
  while (open.length > 0) leave();
  return written;
}

// Google Docs says of an item that it is done.
function withChecks(html: string): string {
  const plain = withoutBoxes(html);
  const changes: Change[] = [];
  let before: Token | null = null;
  for (const token of tokensOf(plain)) {
    const item = before;
    before = token;
    if (token.name !== "p" || token.closes || item?.name !== "li" || item.closes || plain.slice(item.end, token.begin).trim() !== "") continue;
    const checked = /\saria-checked="(true|false)"/i.exec(plain.slice(item.begin, item.end))?.[1];
    if (checked !== undefined && !/\sdata-checked/i.test(plain.slice(token.begin, token.end))) changes.push(attributeOf(token, `data-checked="${checked}"`));
  }
  return changed(plain, changes);
}

/** What stands in the first cell of a row as it is, or begins a paragraph there. */
const inline = /^(?:span|b|strong|i|em|u|a|font)$/;

// The paragraph that begins a row says that it is one of headings.
function withHeadings(html: string): string {
  const tokens = tokensOf(html);
  const changes: Change[] = [];
  let inHead = false;
  let row: { at: number; isOfHeadings: boolean } | null = null;
  const close = () => {
    const change = row?.isOfHeadings === true ? headingOf(html, tokens.slice(row.at, row.at + 3)) : null;
    if (change !== null) changes.push(change);
    row = null;
  };
  for (const [at, { name, closes }] of tokens.entries()) {
    if (name === "tr") {
      close();
      if (!closes) row = { at, isOfHeadings: true };
    } else if (name === "thead" || name === "tbody" || name === "table") {
      // A row that holds a table is none of headings.
      if (name === "table" && !closes) row = null;
      else close();
      inHead = name === "thead" && !closes;
    } else if (name === "td" && !closes && row !== null && !inHead) {
      row.isOfHeadings = false;
    }
  }
  close();
  return changed(html, changes);
}

/** What makes a row one of headings, by the tags that it begins with; null if it is, or can't be. */
function headingOf(html: string, [row, cell, first]: Token[]): Change | null {
  if (row === undefined || cell === undefined || cell.closes || !/^t[hd]$/.test(cell.name) || html.slice(row.end, cell.begin).trim() !== "") return null;
  const text = html.slice(cell.end, first?.begin).trim();
  if (text === "" && first?.name === "p" && !first.closes) return /\sdata-header/i.test(html.slice(first.begin, first.end)) ? null : attributeOf(first, 'data-header="true"');
  if (text === "" && (first === undefined || first.closes || !inline.test(first.name))) return null;
  const begin = text === "" && first !== undefined ? first.begin : cell.end;
  return { begin, end: begin, text: '<p data-header="true">' };
}

function attributeOf({ begin, name }: Token, attribute: string): Change {
  const at = begin + 1 + name.length;
  return { begin: at, end: at, text: ` ${attribute}` };
}
