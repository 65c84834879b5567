import assert from "node:assert/strict";
import { test } from "node:test";
import { PictureCopies } from "../src/picture_copies.ts";
import { schema } from "../src/schema.ts";

const secret = "attachment:AQ-key_";
const data = "data:image/png;base64,AAAA";

/** Markup of what is copied, as a browser writes it. */
function copied(copies: PictureCopies, src: string, content: string | null, alt: string | null = 'a > "b"'): string {
  const spec = copies.markup(schema.node("image", { data: { src, ...(alt === null ? {} : { alt }), width: 4 } }), () => content);
  const [, , image] = spec as unknown as [string, object, [string, Record<string, string | number>]];
  const attributes = Object.entries(image[1]).map(([name, value]) => `${name}="${String(value).replaceAll('"', "&quot;")}"`);
  return `<figure data-pm-slice="0 0 []"><img ${attributes.join(" ")}><figcaption>c</figcaption></figure>`;
}

test("no address of an attachment is copied, but the picture, if it is shown", () => {
  const copies = new PictureCopies();
  const shown = copied(copies, secret, data);
  assert(shown.includes(`src="${data}"`) && !shown.includes("attachment:"));
  const hidden = copied(copies, secret, null);
  assert(!hidden.includes("src=") && !hidden.includes("attachment:"));
  assert(copied(copies, data, null).includes(`<img src="${data}" alt=`));
});

test("in its page a picture that was copied is the same, and in another one it is another", () => {
  const [here, there] = [new PictureCopies(), new PictureCopies()];
  for (const content of [data, null]) {
    for (const src of [secret, "attachment:BB", secret]) {
      const markup = copied(here, src, content);
      const known = here.known(`<p>x</p>${markup}${markup}`);
      assert.equal(known.split(`src="${src}"`).length, 3);
      assert(!known.includes("data:") && !known.includes("data-picture"));
      assert.equal(there.known(markup), markup);
    }
  }
  // What is decoration stays so.
  assert(here.known(copied(here, secret, data, "")).includes('alt=""'));
});
