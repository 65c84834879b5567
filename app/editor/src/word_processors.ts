// What word processors put on the clipboard, in the markup that everybody else writes. What is that already stays as it is.

/** Lists of Word, check lists of Google Docs, and the headings of tables. */
export function inPlainMarkup(html: string): string {
  return withHeadings(withChecks(withLists(html.replace(/<o:p>(?:\s|&nbsp;)*<\/o:p>/gi, ""))));
}

// Word writes an item as a paragraph that names its list and its level in its style, with the item's sign as text.
const item = /<p\b([^>]*\bmso-list:\s*l\d+\s+level(\d+)[^>]*)>([\s\S]*?)<\/p\s*>/gi;
const sign = /<!(?:--)?\[if !supportLists\](?:--)?>([\s\S]*?)<!(?:--)?\[endif\](?:--)?>/i;

/** What may stand between items of one list. */
const nothing = /^(?:\s|<!--(?!StartFragment|EndFragment)[\s\S]*?-->|<!\[[^>]*>)*$/;

type Item = { level: number; list: "ul" | "ol"; markup: string };

function withLists(html: string): string {
  let written = "";
  let items: Item[] = [];
  let end = 0;
  const close = () => {
    written += listsOf(items);
    items = [];
  };
  for (const { index, 0: whole, 1: attributes = "", 2: level = "1", 3: content = "" } of html.matchAll(item)) {
    const between = html.slice(end, index);
    if (!nothing.test(between)) close();
    if (items.length === 0) written += between;
    const said = attributes.replace(/\bmso-list:[^;"']*;?/i, "");
    items.push({ level: Number(level), list: isNumber(content) ? "ol" : "ul", markup: `<p${said}>${content.replace(sign, "")}</p>` });
    end = index + whole.length;
  }
  close();
  return written + html.slice(end);
}

/** Whether an item's sign is a number, or a letter that counts. */
function isNumber(content: string): boolean {
  const shown = (sign.exec(content)?.[1] ?? "").replace(/<[^>]*>|&nbsp;/gi, "").trim();
  return /^\(?[\p{L}\p{N}.]+[.)、]$/u.test(shown);
}

function listsOf(items: Item[]): string {
  const open: Item["list"][] = [];
  let written = "";
  const leave = () => (written += `</li></${open.pop()}>`);
  for (const { level, list, markup } of items) {
    while (open.length > Math.max(level, 1)) leave();
    if (open.length === Math.max(level, 1) && open.at(-1) !== list) leave();
    if (open.length >= Math.max(level, 1)) {
      written += "</li><li>";
    } else {
      // What is two levels deeper than the item before is shown one deeper.
      open.push(list);
      written += `<${list}><li>`;
    }
    written += markup;
  }
  while (open.length > 0) leave();
  return written;
}

// Google Docs says of an item that it is done, and draws its box as a picture.
function withChecks(html: string): string {
  return html
    .replace(/<img\b[^>]*\baria-roledescription="checkbox"[^>]*>/gi, "")
    .replace(/(<li\b[^>]*\baria-checked="(true|false)"[^>]*>\s*<p\b)(?![^>]*data-checked)/gi, '$1 data-checked="$2"');
}

// The paragraph that begins a row says that it is one of headings.
function withHeadings(html: string): string {
  const marked = (row: string) => row.replace(/^(<tr\b[^>]*>\s*<t[hd]\b[^>]*>\s*)(?:<p\b(?![^>]*data-header)|(?=[^<\s]|<(?:span|b|strong|i|em|u|a|font)\b))/i, (begin, before: string) =>
    begin === before ? `${before}<p data-header="true">` : `${before}<p data-header="true"`,
  );
  const rows = /<tr\b(?:(?!<\/tr>|<table\b)[\s\S])*<\/tr>/gi;
  return html
    .replace(/<thead\b(?:(?!<\/thead>)[\s\S])*<\/thead>/gi, (head) => head.replace(rows, marked))
    .replace(rows, (row) => (/<td\b/i.test(row) ? row : marked(row)));
}
