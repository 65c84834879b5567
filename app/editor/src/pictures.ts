// What the block of a picture says. Its text is the line under it. Of whatever the document names as a picture only two kinds
// are shown: attachments, which Rust opens, and pictures that stand in the address itself. No other address is ever asked for.
import type { Attrs, DOMOutputSpec, Node } from "prosemirror-model";
import { attributesOf, languageAttribute, writtenLanguage } from "./language.ts";
import type { Picture, Shape } from "./types.ts";

const fields = ["src", "alt", "width", "height"] as const;

export function isPicture(node: Node): boolean {
  return node.type.name === "image";
}

/** What a picture's block says, whatever a foreign document put into it. */
export function pictureOf(node: Node): Picture {
  const { src, alt, width, height } = attributesOf(node);
  return { src: typeof src === "string" ? src : "", alt: typeof alt === "string" ? alt : null, width: pixels(width), height: pixels(height) };
}

function pixels(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
}

/** The attributes of a block with another picture, or another description. */
export function withPicture(data: Shape["attrs"], picture: Picture): Shape["attrs"] {
  const others = Object.entries(data).filter(([name]) => !fields.includes(name as (typeof fields)[number]));
  const said = fields.map((name) => [name, picture[name]] as const).filter(([, value]) => value !== null);
  return Object.fromEntries([...others, ...said]);
}

/** An attachment of the page. */
export function isAttachment(src: string): boolean {
  return src.startsWith("attachment:");
}

/** A picture that is elsewhere. */
export function isElsewhere(src: string): boolean {
  return /^https?:/i.test(src);
}

/** A picture that stands in the address itself, of a kind that runs nothing. */
export function isData(src: string): boolean {
  return /^data:image\/(png|jpeg|gif|webp)[;,]/i.test(src);
}

/** A picture as it is read again. The address of an attachment is written only where it stays on the page. */
export function pictureMarkup(node: Node, instead: Record<string, string | null> = {}): DOMOutputSpec {
  const said = Object.entries({ ...pictureOf(node), ...instead }).filter(([, value]) => value !== null);
  return ["figure", languageAttribute(node), ["img", Object.fromEntries(said)], ["figcaption", { dir: "auto" }, 0]];
}

/** The attributes of the node for a figure, or for an image that stands alone; false if it is none that may be taken. */
export function writtenPicture(element: HTMLElement): Attrs | false {
  const image = element.matches("img") ? element : element.querySelector("img");
  const src = image?.getAttribute("src") ?? "";
  if (image === null || !(isAttachment(src) || isData(src))) return false;
  const size = (name: string) => pixels(Number(image.getAttribute(name)));
  return { data: withPicture(writtenLanguage(element), { src, alt: image.getAttribute("alt"), width: size("width"), height: size("height") }) };
}
