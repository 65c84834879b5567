// Pictures that are pasted and dropped. Files are handed on; what stands in markup is made an attachment first, which takes a while:
// the place where it belongs is kept until then.
import { type Fragment, Slice } from "prosemirror-model";
import { Plugin, PluginKey, TextSelection } from "prosemirror-state";
import type { Mappable } from "prosemirror-transform";
import type { EditorView } from "prosemirror-view";
import { dataPictures, isOnePicture, withPictures } from "./paste.ts";
import { isPicture } from "./pictures.ts";
import { schema } from "./schema.ts";
import type { Options, Picture } from "./types.ts";

type Place = { anchor: number; head: number };
type Meta = { hold: object; place: Place } | { release: object };

const key = new PluginKey<Map<object, Place>>("picture-paste");

export function picturePaste({ onFiles, attach }: Pick<Options, "onFiles" | "attach">): Plugin<Map<object, Place>> {
  const take = (view: EditorView, data: DataTransfer, settle: () => void): boolean => {
    const html = data.getData("text/html");
    const files = [...data.files].filter(({ type }) => type.startsWith("image/"));
    // Some programs give a picture of text along with the text.
    if (files.length > 0 && (html === "" || isOnePicture(html))) {
      settle();
      onFiles(files);
      return true;
    }
    if (dataPictures(html).length === 0 || view.state.selection.$from.parent.type.spec.code) return false;
    settle();
    void pasteWhenAttached(view, html, attach);
    return true;
  };
  return new Plugin<Map<object, Place>>({
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
      handlePaste: (view, { clipboardData }) => clipboardData !== null && take(view, clipboardData, () => {}),
      handleDrop(view, event, _, moved) {
        const found = view.posAtCoords({ left: event.clientX, top: event.clientY });
        if (moved || event.dataTransfer === null || found === null) return false;
        return take(view, event.dataTransfer, () => {
          const { doc, tr } = view.state;
          const $place = doc.resolve(found.pos);
          view.dispatch(tr.setSelection(TextSelection.between($place, $place)));
          view.focus();
        });
      },
    },
  });
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

async function pasteWhenAttached(view: EditorView, html: string, attach: Options["attach"]): Promise<void> {
  const place = hold(view);
  const pictures: (Picture | null)[] = [];
  for (const src of dataPictures(html)) {
    const picture = blobOf(src);
    pictures.push(picture === null ? null : await attach(picture));
  }
  if (view.isDestroyed || !view.editable) return;
  // Whoever has gone on elsewhere goes on there.
  const present = hold(view);
  const stayed = release(view, place);
  view.pasteHTML(withPictures(html, pictures), new ClipboardEvent("paste"));
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
