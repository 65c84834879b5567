// Where a page is read: the block that is read aloud, and going to a place.
import { type EditorState, Plugin, PluginKey, TextSelection, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { backToText } from "./find.ts";
import { placeOf, pointOf, positionOf } from "./points.ts";
import { remoteMeta } from "./remote.ts";
import type { Handle } from "./types.ts";

/** What is marked, and whether the person went on with something else in the text since reading began. */
type Read = { shown: DecorationSet; busy: boolean };

const key = new PluginKey<Read>("reading");

const silent: Read = { shown: DecorationSet.empty, busy: false };

export function readAloud(): Plugin<Read> {
  return new Plugin<Read>({
    key,
    state: {
      init: () => silent,
      apply(tr, { shown, busy }) {
        const block = tr.getMeta(key) as number | null | undefined;
        if (block === null || (block === undefined && shown === DecorationSet.empty)) return silent;
        if (block === undefined) {
          const own = (tr.docChanged || tr.selectionSet) && !tr.getMeta(remoteMeta);
          return { shown: shown.map(tr.mapping, tr.doc), busy: busy || own };
        }
        const { node, start } = placeOf(tr.doc, block);
        const marked = Decoration.node(start - 1, start + node.content.size + 1, { class: "being-read" });
        return { shown: DecorationSet.create(tr.doc, [marked]), busy };
      },
    },
    props: { decorations: (state) => key.getState(state)?.shown },
  });
}

/** Whether what is read may be brought into sight: not away from where somebody writes. */
export function mayFollow(state: EditorState, hasFocus: boolean): boolean {
  return !hasFocus || key.getState(state)?.busy !== true;
}

export function withReading(tr: Transaction, block: number | null): Transaction {
  return tr.setMeta(key, block).setMeta("addToHistory", false);
}

/** What the bridge can do with it. */
export function reader(view: EditorView): Pick<Handle, "selection" | "goTo" | "showReading"> {
  return {
    selection() {
      const { doc, selection } = view.state;
      return { anchor: pointOf(doc, selection.anchor), head: pointOf(doc, selection.head) };
    },
    goTo(block) {
      const { doc, tr } = view.state;
      const position = positionOf(doc, { block, offset: 0 });
      view.dispatch(tr.setSelection(TextSelection.create(doc, position)));
      backToText(view);
      const shown = view.nodeDOM(position - 1);
      if (shown instanceof Element) shown.scrollIntoView({ block: "start" });
    },
    showReading(block) {
      view.dispatch(withReading(view.state.tr, block));
      const shown = view.dom.querySelector(".being-read");
      if (shown === null || !mayFollow(view.state, view.hasFocus())) return;
      const { top, bottom } = shown.getBoundingClientRect();
      if (top < innerHeight * 0.25 || bottom > innerHeight) shown.scrollIntoView({ block: "center" });
    },
  };
}
