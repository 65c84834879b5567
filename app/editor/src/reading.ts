// Where a page is read: the block that is read aloud, and going to a place.
import { Plugin, PluginKey, TextSelection } from "prosemirror-state";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { backToText } from "./find.ts";
import { placeOf, pointOf, positionOf } from "./points.ts";
import type { Handle } from "./types.ts";

const key = new PluginKey<DecorationSet>("reading");

export function readAloud(): Plugin<DecorationSet> {
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: () => DecorationSet.empty,
      apply(tr, shown) {
        const block = tr.getMeta(key) as number | null | undefined;
        if (block === undefined) return shown.map(tr.mapping, tr.doc);
        if (block === null) return DecorationSet.empty;
        const { node, start } = placeOf(tr.doc, block);
        return DecorationSet.create(tr.doc, [Decoration.node(start - 1, start + node.content.size + 1, { class: "being-read" })]);
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
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
      view.dispatch(view.state.tr.setMeta(key, block).setMeta("addToHistory", false));
      const shown = view.dom.querySelector(".being-read");
      if (shown === null) return;
      const { top, bottom } = shown.getBoundingClientRect();
      if (top < innerHeight * 0.25 || bottom > innerHeight) shown.scrollIntoView({ block: "center" });
    },
  };
}
