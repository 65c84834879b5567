// Pasted markup keeps what the schema knows; the parser drops the rest.
import type { TagParseRule } from "prosemirror-model";
import { changed, elementsOf, textOf, tokensOf, withoutElements, withTags } from "./markup.ts";
import { isAttachment, isData } from "./pictures.ts";
import type { Picture } from "./types.ts";
import { inPlainMarkup } from "./word_processors.ts";

/** Makes markup from elsewhere readable for the schema; what was copied from an editor like this one already is. */
export function readable(html: string): string {
  const taken = withoutDistantPictures(html);
  return isOwn(taken) ? taken : withoutSourceLines(withoutStyles(inPlainMarkup(withoutStyleSheets(taken))));
}

/** The text of markup, as markup. */
export function asText(html: string): string {
  return textOf(html).replaceAll("<", "&lt;");
}

/** The addresses of the pictures that stand in markup themselves. */
export function dataPictures(html: string): string[] {
  return picturesIn(html).map((tag) => attribute(tag, "src")).filter(isData);
}

/** The markup with these in the place of the pictures that stood in it; without a picture, its description stays. */
export function withPictures(html: string, pictures: (Picture | null)[]): string {
  const left = pictures.values();
  const ownMarkup = isOwn(html);
  return withTags(html, "img", (tag) => {
    if (!isData(attribute(tag, "src"))) return tag;
    const picture = left.next().value ?? null;
    if (picture === null) return description(tag);
    // Other programs write an empty description where nobody has written one.
    const alt = written(tag, "alt");
    const described = alt === "" && !ownMarkup ? null : alt;
    const said = [["src", escaped(picture.src)], ["alt", described ?? (picture.alt === null ? null : escaped(picture.alt))], ["width", picture.width], ["height", picture.height]];
    return `<img ${said.filter(([, value]) => value !== null).map(([name, value]) => `${name}="${value}"`).join(" ")}>`;
  });
}

/** Whether markup is one picture, and no text. */
export function isOnePicture(html: string): boolean {
  const content = ["style", "head", "xml"].reduce(withoutElements, html);
  return picturesIn(content).length === 1 && textOf(content).trim() === "";
}

/** Whether markup was copied from an editor like this one. */
function isOwn(html: string): boolean {
  return html.includes("data-pm-slice");
}

/** The tags of images. */
function picturesIn(html: string): string[] {
  return tokensOf(html)
    .filter(({ name, closes }) => name === "img" && !closes)
    .map(({ begin, end }) => html.slice(begin, end));
}

// Nothing is asked for at an address elsewhere.
function withoutDistantPictures(html: string): string {
  return withTags(html, "img", (tag) => {
    const src = attribute(tag, "src");
    return isAttachment(src) || isData(src) ? tag : description(tag);
  });
}

/** What a picture shows, as a paragraph, if its markup says that. A `p` within another would leave an empty one. */
function description(tag: string): string {
  const alt = attribute(tag, "alt").replaceAll("<", "&lt;");
  return alt.trim() === "" ? "" : `<output>${alt}</output>`;
}

function attribute(tag: string, name: string): string {
  return written(tag, name) ?? "";
}

/** The value of an attribute, as it is written in a tag: quotes in it would end it. */
function written(tag: string, name: string): string | null {
  const [, double, single, bare] = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, "i").exec(tag) ?? [];
  return double ?? single?.replaceAll('"', "&quot;") ?? bare ?? null;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

// Source lines break anywhere, which the textblocks would keep as line breaks. Runs of white space become one space,
// except in preformatted text; `<br>` stays a line break.
function withoutSourceLines(html: string): string {
  const kept = elementsOf(html, "pre");
  const ends = [0, ...kept.map(({ end }) => end)];
  const parts = ends.map((end, i) => withoutLines(html.slice(end, kept[i]?.begin)) + html.slice(kept[i]?.begin ?? html.length, kept[i]?.end));
  return parts.join("");
}

function withoutLines(part: string): string {
  const html = part.replace(/[ \t\r\n\f]+/g, " ");
  const beside = tokensOf(html).filter(({ name, closes, end }) => {
    const isBlock = closes ? /^(?:p|h[1-6]|[uo]l|li|table|blockquote)$/.test(name) : /^(?:p|h[1-6])$/.test(name);
    return isBlock && html[end] === " " && end + 1 < html.length;
  });
  return changed(html, beside.map(({ end }) => ({ begin: end, end: end + 1, text: "" })));
}

// The browser complains of each that the page's Content-Security-Policy does not let it apply.
function withoutStyleSheets(html: string): string {
  return withoutElements(html, "style");
}

// The page's Content-Security-Policy empties style attributes, and with them bold and italic from word processors, so
// they are read under another name.
function withoutStyles(html: string): string {
  return withTags(html, null, (tag) => tag.replace(/\sstyle=/gi, " data-style="));
}

/** A rule that finds a mark by a style, as `readable` leaves it. */
export function byStyle(property: RegExp, value: RegExp): TagParseRule {
  return { tag: "[data-style]", consuming: false, priority: 60, getAttrs: ({ dataset }) => hasStyle(dataset.style ?? "", property, value) && null };
}

/** Whether a style says this. Word's own properties end as others do: `mso-bidi-font-weight` says nothing of `font-weight`. */
export function hasStyle(style: string, property: RegExp, value: RegExp): boolean {
  return style.split(";").some((said) => {
    const [name = "", what = ""] = said.split(":");
    return property.test(name.trim()) && value.test(what.trim());
  });
}
