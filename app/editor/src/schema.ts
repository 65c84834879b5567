// The nodes and marks the editor can show. A textblock keeps its marker's attributes whole in `data`, so that attributes
// this version does not know survive; what has no node of its own is shown as a plain `foreign` textblock.
import { type Attrs, type DOMOutputSpec, type Mark, type MarkSpec, type Node, type NodeSpec, Schema, type TagParseRule } from "prosemirror-model";
import { languageAttribute, writtenLanguage } from "./language.ts";
import { byStyle, hasStyle } from "./paste.ts";
import { pictureMarkup, writtenPicture } from "./pictures.ts";
import type { AttributeValue, MarkValue, Shape } from "./types.ts";

const noData: Record<string, AttributeValue> = {};

/** Code and formulas are no words of a language. */
const notSpelled = { spellcheck: "false" };

const textblock = {
  content: "text*",
  group: "block",
  // Foreign documents and Shift-Enter put line breaks into the text.
  whitespace: "pre",
} as const satisfies NodeSpec;

/** The level a heading is shown at, whatever a foreign document put into the attribute. */
export function headingLevel(node: Node): number {
  const level = Number((node.attrs.data as Shape["attrs"]).level);
  return Number.isInteger(level) ? Math.min(Math.max(level, 1), 6) : 1;
}

/** What a block of text says of its language, and what people write finds its own direction. */
function textAttributes(node: Node): Record<string, string> {
  return { dir: "auto", ...languageAttribute(node) };
}

/** What a paragraph says of the item or the row that it begins, as markup: it is copied with it. */
function dataAttributes(node: Node): Record<string, string> {
  const { checked, header } = node.attrs.data as Record<string, unknown>;
  return {
    ...(typeof checked === "boolean" ? { "data-checked": String(checked) } : {}),
    ...(header === true ? { "data-header": "true" } : {}),
  };
}

function writtenData(element: HTMLElement): Record<string, AttributeValue> {
  const { dataset } = element;
  return {
    ...writtenLanguage(element),
    ...(dataset.checked === "true" || dataset.checked === "false" ? { checked: dataset.checked === "true" } : {}),
    ...(dataset.header === "true" ? { header: true } : {}),
  };
}

const nodes = {
  doc: { content: "block+" },

  // First, so that it is what ProseMirror creates when it needs a block.
  // `explicit`: a paragraph with a marker of its own although it is the first in its item, whose own marker is missing.
  paragraph: {
    ...textblock,
    attrs: { data: { default: noData }, explicit: { default: false } },
    parseDOM: [{ tag: "p", getAttrs: (element) => ({ data: writtenData(element) }) }],
    toDOM: (node) => ["p", { ...textAttributes(node), ...dataAttributes(node) }, 0],
  },

  heading: {
    ...textblock,
    attrs: { data: { default: { level: 1 } } },
    defining: true,
    parseDOM: [1, 2, 3, 4, 5, 6].map((level) => ({ tag: `h${level}`, getAttrs: (element) => ({ data: { level, ...writtenLanguage(element) } }) })),
    toDOM: (node) => [`h${headingLevel(node)}`, textAttributes(node), 0],
  },

  code_block: {
    ...textblock,
    attrs: { data: { default: noData } },
    code: true,
    defining: true,
    parseDOM: [{ tag: "pre", preserveWhitespace: "full", getAttrs: (element) => ({ data: writtenLanguage(element) }) }],
    toDOM: (node) => ["pre", { ...textAttributes(node), ...notSpelled }, ["code", 0]],
  },

  // LaTeX, shown as a formula on a line of its own.
  math_block: {
    ...textblock,
    attrs: { data: { default: noData } },
    code: true,
    defining: true,
    parseDOM: [{ tag: "pre.math-source", preserveWhitespace: "full", priority: 60 }],
    toDOM: () => ["pre", { class: "math-source", dir: "ltr", ...notSpelled }, ["code", 0]],
  },

  // A rule, and the line of text under it: a place for whatever a merge leaves there.
  divider: {
    ...textblock,
    attrs: { data: { default: noData } },
    defining: true,
    parseDOM: [{ tag: "div.divider", contentElement: ".under", getAttrs: (element) => ({ data: writtenLanguage(element) }) }, { tag: "hr" }],
    toDOM: (node) => ["div", { class: "divider", ...languageAttribute(node) }, ["hr", { contenteditable: "false" }], ["div", { class: "under", dir: "auto" }, 0]],
  },

  // A picture, and the line of text under it. Isolated, so that other text does not become that line, nor the picture goes when text
  // beside it is deleted.
  image: {
    ...textblock,
    attrs: { data: { default: noData } },
    isolating: true,
    parseDOM: [
      { tag: "figure", getAttrs: writtenPicture, contentElement: (figure) => figure.querySelector("figcaption") ?? figure.ownerDocument.createElement("figcaption") },
      { tag: "img", getAttrs: writtenPicture },
    ],
    toDOM: pictureMarkup,
  },

  // `nested`: its parents are those it stands in, and the shape names none. Otherwise the shape's own parents are kept,
  // because some are unknown.
  foreign: {
    ...textblock,
    attrs: { shape: {}, nested: {} },
    defining: true,
    parseDOM: [{ tag: "p[data-shape]", priority: 60, getAttrs: (element) => foreignAttributes(element.dataset.shape ?? "") }],
    toDOM: (node) => [
      "p",
      { ...textAttributes(node), class: "foreign", "data-type": (node.attrs.shape as Shape).type, "data-shape": JSON.stringify(node.attrs.shape) },
      0,
    ],
  },

  bullet_list: { content: "list_item+", group: "block", parseDOM: [{ tag: "ul" }], toDOM: () => ["ul", 0] },
  ordered_list: { content: "list_item+", group: "block", parseDOM: [{ tag: "ol" }], toDOM: () => ["ol", 0] },
  // Not "paragraph block*": a merge can leave an item that begins with something else, and each block must stay one
  // textblock, so nothing may be filled in.
  list_item: { content: "block+", defining: true, parseDOM: [{ tag: "li" }], toDOM: () => ["li", 0] },
  blockquote: { content: "block+", group: "block", defining: true, parseDOM: [{ tag: "blockquote" }], toDOM: () => ["blockquote", 0] },
  aside: { content: "block+", group: "block", defining: true, parseDOM: [{ tag: "aside" }], toDOM: () => ["aside", 0] },

  table: {
    content: "table_row+",
    group: "block",
    isolating: true,
    parseDOM: [{ tag: "table" }],
    toDOM: () => ["div", { class: "table-scroll" }, ["table", ["tbody", 0]]],
  },
  table_row: { content: "table_cell+", parseDOM: [{ tag: "tr" }], toDOM: () => ["tr", 0] },
  // `implicit`: a cell without a marker of its own. The first one in a row is, for the row's marker begins it, too.
  table_cell: {
    content: "block+",
    attrs: { implicit: { default: false } },
    isolating: true,
    parseDOM: [{ tag: "td" }, { tag: "th" }],
    toDOM: () => ["td", 0],
  },

  text: {},
} satisfies Record<string, NodeSpec>;

// A mark's value is kept as it came, also one that this version does not know.
const marks = {
  // The text that a thread of comments is about. Several threads may be about the same text. What is typed at its edges is not part
  // of it, and what is copied takes it nowhere.
  comment: {
    attrs: { thread: {}, value: { default: true } },
    inclusive: false,
    excludes: "",
    toDOM: (mark) => ["span", { "data-thread": mark.attrs.thread as string }, 0],
    parseDOM: [{ tag: "span[data-thread]", getAttrs: ({ dataset }) => ({ thread: dataset.thread }) }],
  },
  // JSON with href and title.
  link: {
    attrs: { value: {} },
    inclusive: false,
    parseDOM: [{ tag: "a[href]", getAttrs: linkAttributes }],
    toDOM: (mark) => linkElement(mark),
  },
  em: onOrOff("em", [{ tag: "i" }, { tag: "em" }, byStyle(/^font-style$/i, /^(italic|oblique)/i)]),
  strong: onOrOff("strong", [
    { tag: "strong" },
    // Google Docs wraps everything it copies in a `b` of normal weight.
    { tag: "b", getAttrs: ({ dataset }) => !hasStyle(dataset.style ?? "", /^font-weight$/i, /^normal$/i) && null },
    byStyle(/^font-weight$/i, /^(bold|[6-9]\d\d)/i),
  ]),
  underline: onOrOff("u", [{ tag: "u" }, { tag: "ins" }, byStyle(/^text-decoration(-line)?$/i, /underline/i)]),
  strikethrough: onOrOff("s", [{ tag: "s" }, { tag: "del" }, { tag: "strike" }, byStyle(/^text-decoration(-line)?$/i, /line-through/i)]),
  code: { ...onOrOff("code", [{ tag: "code" }], notSpelled), code: true },
  highlight: onOrOff("mark", [{ tag: "mark" }]),
  // Text can be both, if two people made it so at once: which one it was meant to be is theirs to say.
  subscript: onOrOff("sub", [{ tag: "sub" }, byStyle(/^vertical-align$/i, /^sub/i)]),
  superscript: onOrOff("sup", [{ tag: "sup" }, byStyle(/^vertical-align$/i, /^super/i)]),
  // LaTeX, shown as a formula in the text.
  math: { ...onOrOff("code", [{ tag: "code.math-source", priority: 60 }], { class: "math-source", dir: "ltr", ...notSpelled }), code: true },
  // A mark this version does not know. Several of them may cover the same text.
  foreign_mark: {
    attrs: { name: {}, value: {} },
    inclusive: false,
    excludes: "",
    toDOM: (mark) => ["span", { "data-mark": mark.attrs.name as string, "data-value": JSON.stringify(mark.attrs.value) }, 0],
    parseDOM: [{ tag: "span[data-mark]", getAttrs: foreignMarkAttributes }],
  },
} satisfies Record<string, MarkSpec>;

/** A mark without more to it. Some programs write one that is not set as `false`. */
function onOrOff(tag: string, parseDOM: TagParseRule[], attributes: Record<string, string> = {}) {
  return {
    attrs: { value: { default: true } },
    parseDOM,
    toDOM: (mark: Mark): DOMOutputSpec => mark.attrs.value === false ? ["span", 0] : [tag, attributes, 0],
  } satisfies MarkSpec;
}

export const schema = new Schema<keyof typeof nodes, keyof typeof marks>({ nodes, marks });

/** Only addresses that lead somewhere harmless are made clickable. */
function harmless(address: string): boolean {
  return /^(https?:|mailto:|tel:)/i.test(address.trim());
}

/** Where a link leads, as far as its value says so. */
export function linkTarget(mark: Mark): { href: string; title: string } {
  let target: unknown;
  try {
    target = JSON.parse(String(mark.attrs.value));
  } catch {
    target = null;
  }
  const { href, title } = (target ?? {}) as { href?: unknown; title?: unknown };
  return { href: typeof href === "string" ? href : "", title: typeof title === "string" ? title : "" };
}

function linkElement(mark: Mark): DOMOutputSpec {
  const { href, title } = linkTarget(mark);
  if (!harmless(href)) return ["span", { class: "link" }, 0];
  return ["a", { href, rel: "noopener noreferrer", ...(title !== "" ? { title } : {}) }, 0];
}

function linkAttributes(element: HTMLElement): Attrs | false {
  const href = element.getAttribute("href") ?? "";
  if (!harmless(href)) return false;
  return { value: JSON.stringify({ href, title: element.getAttribute("title") ?? "" }) };
}

// Pasted markup may come from anywhere: what does not have the form is not taken.
function foreignAttributes(json: string): Attrs | false {
  let shape: unknown;
  try {
    shape = JSON.parse(json);
  } catch {
    return false;
  }
  return isShape(shape) && { shape, nested: shape.parents.length === 0 };
}

function isShape(value: unknown): value is Shape {
  if (typeof value !== "object" || value === null) return false;
  const { type, parents, attrs, isEmbed } = value as Record<string, unknown>;
  return (
    typeof type === "string" &&
    Array.isArray(parents) &&
    parents.every((parent) => typeof parent === "string") &&
    typeof attrs === "object" &&
    attrs !== null &&
    Object.values(attrs).every((value) => value === null || isMarkValue(value)) &&
    typeof isEmbed === "boolean"
  );
}

function foreignMarkAttributes(element: HTMLElement): Attrs | false {
  try {
    const value: unknown = JSON.parse(element.dataset.value ?? "");
    return isMarkValue(value) && { name: element.dataset.mark, value };
  } catch {
    return false;
  }
}

function isMarkValue(value: unknown): value is MarkValue {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
