// The language that a block says it is in: voices, spelling and hyphens follow it. A block that says nothing leaves it to the page.
import type { Node } from "prosemirror-model";
import type { Shape } from "./types.ts";

/** A tag of BCP 47 in its usual form; null if it is none, or begins with no language that has a code. */
export function canonicalLanguage(tag: unknown): string | null {
  if (typeof tag !== "string" || !/^[a-z]{2,3}(-|$)/i.test(tag)) return null;
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? null;
  } catch {
    return null;
  }
}

/** The language that a textblock says it is in. */
export function languageOf(node: Node): string | null {
  return canonicalLanguage(attributesOf(node).lang);
}

/** The same, as markup. */
export function languageAttribute(node: Node): { lang?: string } {
  const lang = languageOf(node);
  return lang === null ? {} : { lang };
}

/** What markup says that a block is in; what it stands in says it, too. */
export function writtenLanguage(element: Element): { lang?: string } {
  // The language of the app, around the editor, says nothing of what somebody writes.
  const lang = canonicalLanguage(element.closest("[lang], .editor")?.getAttribute("lang"));
  return lang === null ? {} : { lang };
}

/** Attributes of another kind of block in the place of a textblock: it is still in its language. */
export function inItsLanguage(node: Node, data: Shape["attrs"]): Shape["attrs"] {
  const { lang } = attributesOf(node);
  return lang === undefined ? data : { ...data, lang };
}

/** What a textblock's marker says, also of a kind that this version does not know. */
export function attributesOf({ attrs }: Node): Shape["attrs"] {
  return ((attrs.shape as Shape | undefined)?.attrs ?? attrs.data ?? {}) as Shape["attrs"];
}

/** The attributes of its node when the marker says this instead. */
export function withAttributes({ attrs }: Node, said: Shape["attrs"]): Node["attrs"] {
  return attrs.shape === undefined ? { ...attrs, data: said } : { ...attrs, shape: { ...(attrs.shape as Shape), attrs: said } };
}
