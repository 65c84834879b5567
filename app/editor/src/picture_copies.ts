// Pictures that are copied. What leaves the page is the picture itself: its address holds the key, and nobody else could fetch it.
// Within the page a picture has a name that only this page knows, so that one that was cut is the same when it is pasted.
import { type DOMOutputSpec, DOMSerializer, type Node } from "prosemirror-model";
import { withTags } from "./markup.ts";
import { isAttachment, pictureMarkup, pictureOf } from "./pictures.ts";
import { schema } from "./schema.ts";

/** The picture of an address as it is shown; null if it is not. */
type Shown = (src: string) => HTMLImageElement | null;

const nameAttribute = "data-picture";

export class PictureCopies {
  // Names of another page mean nothing here.
  readonly #page = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  readonly #addresses: string[] = [];

  /** How a picture is copied. */
  markup(node: Node, content: () => string | null): DOMOutputSpec {
    const { src } = pictureOf(node);
    return isAttachment(src) ? pictureMarkup(node, { [nameAttribute]: this.#name(src), src: content() }) : pictureMarkup(node);
  }

  /** Writes to the clipboard. */
  serializer(shown: Shown): DOMSerializer {
    const image = (node: Node) => this.markup(node, () => contentOf(shown(pictureOf(node).src)));
    return new DOMSerializer({ ...DOMSerializer.nodesFromSchema(schema), image }, DOMSerializer.marksFromSchema(schema));
  }

  /** Markup in which pictures that were copied from this page have their addresses. */
  known(html: string): string {
    const name = new RegExp(`\\s${nameAttribute}="${this.#page}-(\\d+)"`, "i");
    return withTags(html, "img", (tag) => {
      const address = this.#addresses[Number(name.exec(tag)?.[1])];
      return address === undefined ? tag : tag.replace(/\ssrc="[^"]*"/i, "").replace(name, ` src="${address}"`);
    });
  }

  #name(address: string): string {
    const known = this.#addresses.indexOf(address);
    return `${this.#page}-${known >= 0 ? known : this.#addresses.push(address) - 1}`;
  }
}

/** A picture as an address that holds it: PNG if something shines through it, else JPEG. */
function contentOf(image: HTMLImageElement | null): string | null {
  if (image === null || !image.complete || image.naturalWidth === 0) return null;
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  if (context === null) return null;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let opaque = true;
  for (let alpha = 3; opaque && alpha < data.length; alpha += 4) opaque = data[alpha] === 255;
  return opaque ? canvas.toDataURL("image/jpeg", 0.9) : canvas.toDataURL("image/png");
}
