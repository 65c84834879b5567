// Pictures that are pasted and dropped. Files are handed on; what stands in markup is made an attachment first, which takes a while:
// the place where it belongs is kept until then. Text does not wait long for a picture, and not even then is anything of it lost:
// it comes when the page can be written on, and a picture that was stored too late comes behind it.
import { type Fragment, type ResolvedPos, Slice } from "prosemirror-model";
import { Plugin, PluginKey, TextSelection } from "prosemirror-state";
import type { Mappable } from "prosemirror-transform";
import type { EditorView } from "prosemirror-view";
import { asText, dataPictures, isOnePicture, readable, withPictures } from "./paste.ts";
import { insertPicture } from "./picture_commands.ts";
import type { PictureCopies } from "./picture_copies.ts";
import { isPicture } from "./pictures.ts";
import { schema } from "./schema.ts";
import type { Options, Picture } from "./types.ts";
import { withoutBoxes } from "./word_processors.ts";

type Place = { anchor: number; head: number };
type Meta = { hold: object; place: Place } | { release: object };

const key = new PluginKey<Map<object, Place>>("picture-paste");

/** How long the text waits for each of its pictures. */
const patienceMilliseconds = 5_000;

type Pasting = {
  plugin: Plugin<Map<object, Place>>;
  /** To be called when a page can be written on again: it is not locked, and nothing is being composed. */
  goOn(): void;
};

export function picturePaste({ onFiles, attach }: Pick<Options, "onFiles" | "attach">, copies: PictureCopies, isWritable: () => boolean): Pasting {
  const waiting = new Set<() => void>();
  const writable = async () => {
    while (!isWritable()) await new Promise<void>((resolve) => waiting.add(resolve));
  };
  const take = (view: EditorView, data: DataTransfer, $place: ResolvedPos, settle: () => void): boolean => {
    const html = withoutBoxes(copies.known(data.getData("text/html")));
    const files = [...data.files].filter(({ type }) => type.startsWith("image/"));
    // Some programs give a picture of text along with the text.
    if (files.length > 0 && (html === "" || isOnePicture(html))) {
      settle();
      onFiles(files);
      return true;
    }
    if (dataPictures(html).length === 0 || $place.parent.type.spec.code) return false;
    settle();
    void pasteWhenAttached(view, html, attach, writable);
    return true;
  };
  // What throws here the browser would paste as it came.
  const taken: typeof take = (...paste) => {
    try {
      return take(...paste);
    } catch (error) {
      console.error(error);
      return false;
    }
  };
  const plugin = new Plugin<Map<object, Place>>({
    key,
    state: {
      init: () => new Map(),
      apply(tr, held) {
        const meta = tr.getMeta(key) as Meta | undefined;
        if (meta === undefined && (!tr.docChanged || held.size === 0)) return held;
        const moved = new Map([...held].map(([name, place]) => [name, mapped(place, tr.mapping)]));
        if (meta !== undefined && "hold" in meta) moved.set(meta.hold, meta.place);
        else if (meta !== undefined) moved.delete(meta.release);
        return moved;
      },
    },
    props: {
      transformCopied: withoutOpenPictures,
      transformPastedHTML(html) {
        try {
          return readable(copies.known(html));
        } catch (error) {
          console.error(error);
          return asText(html);
        }
      },
      handlePaste: (view, { clipboardData }) => clipboardData !== null && taken(view, clipboardData, view.state.selection.$from, () => {}),
      handleDrop(view, event, _, moved) {
        const found = view.posAtCoords({ left: event.clientX, top: event.clientY });
        if (moved || event.dataTransfer === null || found === null) return false;
        const $place = view.state.doc.resolve(found.pos);
        return taken(view, event.dataTransfer, $place, () => {
          const { tr } = view.state;
          view.dispatch(tr.setSelection(TextSelection.between($place, $place)));
          view.focus();
        });
      },
    },
  });
  return {
    plugin,
    goOn() {
      for (const resolve of waiting) resolve();
      waiting.clear();
    },
  };
}

/** What is copied out of the line under a picture is text, and takes no picture along. The line of a picture that is copied ends. */
export function withoutOpenPictures({ content, openStart, openEnd }: Slice): Slice {
  const plain = withoutOpenStart(content, openStart);
  let last = openEnd > 0 ? plain.lastChild : null;
  for (let depth = 1; depth < openEnd; depth++) last = last?.lastChild ?? null;
  return new Slice(plain, openStart, last !== null && isPicture(last) ? openEnd - 1 : openEnd);
}

function withoutOpenStart(nodes: Fragment, depth: number): Fragment {
  const { firstChild } = nodes;
  if (firstChild === null || depth === 0) return nodes;
  const plain = isPicture(firstChild)
    ? schema.nodes.paragraph.create(null, firstChild.content)
    : firstChild.copy(withoutOpenStart(firstChild.content, depth - 1));
  return nodes.replaceChild(0, plain);
}

function mapped({ anchor, head }: Place, mapping: Mappable): Place {
  return { anchor: mapping.map(anchor, 1), head: mapping.map(head, 1) };
}

async function pasteWhenAttached(view: EditorView, html: string, attach: Options["attach"], writable: () => Promise<void>): Promise<void> {
  const place = hold(view);
  const { pictures, late } = await attached(dataPictures(html), attach, patienceMilliseconds);
  await writable();
  if (view.isDestroyed) return;
  let behind: object | null = null;
  elsewhere(view, place, () => {
    view.pasteHTML(withPictures(html, pictures));
    if (late.length > 0) behind = hold(view);
  });
  for (const coming of late) {
    const picture = await coming;
    await writable();
    if (view.isDestroyed || behind === null) return;
    const before: object = behind;
    elsewhere(view, before, () => {
      if (picture !== null) insertPicture(picture)(view.state, view.dispatch.bind(view), view);
      behind = hold(view);
    });
  }
}

/** Pictures that were stored, one after the other, up to one that takes too long; and this one and what follows, as they come. */
export async function attached(addresses: string[], attach: Options["attach"], patience: number): Promise<{ pictures: (Picture | null)[]; late: Promise<Picture | null>[] }> {
  let last: Promise<unknown> = Promise.resolve();
  const coming = addresses.map((src) => {
    const picture = blobOf(src);
    const next = last.then(() => (picture === null ? null : attach(picture))).catch(() => null);
    last = next;
    return next;
  });
  const pictures: (Picture | null)[] = [];
  for (const next of coming) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), patience)));
    const came = await Promise.race([next, tooLong]);
    clearTimeout(timer);
    if (came === "late") break;
    pictures.push(came);
  }
  return { pictures, late: coming.slice(pictures.length) };
}

/** Does something at a place that is kept. Whoever has gone on elsewhere goes on there. */
function elsewhere(view: EditorView, place: object, act: () => void): void {
  const present = hold(view);
  const stayed = release(view, place);
  act();
  if (stayed) view.dispatch(view.state.tr.setMeta(key, { release: present } satisfies Meta));
  else release(view, present);
}

/** Keeps where the selection is, whatever happens around it. */
function hold(view: EditorView): object {
  const { anchor, head } = view.state.selection;
  const name = {};
  view.dispatch(view.state.tr.setMeta(key, { hold: name, place: { anchor, head } } satisfies Meta));
  return name;
}

/** Puts the selection back there. True if it was there. */
function release(view: EditorView, name: object): boolean {
  const { doc, selection, tr } = view.state;
  const place = key.getState(view.state)?.get(name);
  const stayed = place === undefined || (selection.anchor === place.anchor && selection.head === place.head);
  if (!stayed) tr.setSelection(TextSelection.between(doc.resolve(place.anchor), doc.resolve(place.head)));
  view.dispatch(tr.setMeta(key, { release: name } satisfies Meta));
  return stayed;
}

/** The picture that stands in an address; null if it is not written as one. */
function blobOf(src: string): Blob | null {
  const comma = src.indexOf(",");
  const about = src.slice("data:".length, comma);
  try {
    const written = decodeURIComponent(src.slice(comma + 1));
    const bytes = /;base64$/i.test(about) ? atob(written) : written;
    return new Blob([Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))], { type: about.split(";")[0] ?? "" });
  } catch {
    return null;
  }
}
