// What differs between two versions, drawn over the later one. Nothing here changes while it is shown.
import { type EditorState, Plugin, PluginKey } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { placeOf } from "./points.ts";
import type { Change } from "./types.ts";

const changesKey = new PluginKey<DecorationSet>("changes");

export function changes(): Plugin<DecorationSet> {
  return new Plugin<DecorationSet>({
    key: changesKey,
    state: {
      init: () => DecorationSet.empty,
      apply(tr, value, _, state) {
        const shown = tr.getMeta(changesKey) as Change[] | undefined;
        return shown === undefined ? value.map(tr.mapping, tr.doc) : decorated(state, shown);
      },
    },
    props: {
      decorations: (state) => changesKey.getState(state),
    },
  });
}

/** The transaction that shows these changes and no others. */
export function withChanges(state: EditorState, shown: Change[]) {
  return state.tr.setMeta(changesKey, shown).setMeta("addToHistory", false);
}

// `ins` and `del` tell screen readers what colours tell others.
const elements = { added: "ins", removed: "del", restyled: "span" };

function decorated({ doc }: EditorState, shown: Change[]): DecorationSet {
  const decorations = shown.map(({ block, from, to, kind, color, by }) => {
    const attributes = { class: `change change-${kind} cursor-${color}`, title: by };
    const { node, start } = placeOf(doc, block);
    if (from === null || to === null) return Decoration.node(start - 1, start - 1 + node.nodeSize, attributes);
    return Decoration.inline(start + from, start + to, { ...attributes, nodeName: elements[kind] });
  });
  return DecorationSet.create(doc, decorations);
}
