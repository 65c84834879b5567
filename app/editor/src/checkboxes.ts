// The boxes of check lists: real ones, so that a screen reader says what they are. They are no part of the text.
import type { Node } from "prosemirror-model";
import { type EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { changedChildren, childStart } from "./edits.ts";
import { checkedOf, toggleCheckedAt } from "./lists.ts";
import { schema } from "./schema.ts";

const key = new PluginKey<DecorationSet>("checkboxes");

/** `label` is each box's accessible name; while `editable` says no, they can only be read. `withBoxes` tells that it says another. */
export function checkboxes(label: string, editable: () => boolean): Plugin<DecorationSet> {
  const boxes = (doc: Node, from: number, to: number) => {
    const found: Decoration[] = [];
    doc.nodesBetween(from, to, (node, position, parent, index) => {
      if (node.isTextblock && index === 0 && parent?.type === schema.nodes.list_item) {
        const checked = checkedOf(node);
        if (checked !== null) found.push(...decorations(position, node.nodeSize, checked));
      }
      return !node.isTextblock;
    });
    return found;
  };
  const decorations = (position: number, size: number, checked: boolean) => [
    Decoration.node(position, position + size, { class: checked ? "check done" : "check" }),
    Decoration.widget(position + 1, (view, at) => boxElement(view, at, label, checked, editable()), {
      key: `${checked} ${editable()}`,
      side: -10,
      ignoreSelection: true,
      stopEvent: (event) => event.type !== "focus",
    }),
  ];
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc }) => DecorationSet.create(doc, boxes(doc, 0, doc.content.size)),
      apply(tr, shown, _, { doc }: EditorState) {
        if (tr.getMeta(key) === true) return DecorationSet.create(doc, boxes(doc, 0, doc.content.size));
        if (!tr.docChanged) return shown;
        // Only what changed is looked through: a long page has many paragraphs.
        const changed = changedChildren(tr.before, doc);
        const from = childStart(doc, changed.from);
        const to = childStart(doc, changed.afterTo);
        const mapped = shown.map(tr.mapping, doc);
        return mapped.remove(mapped.find(from, to)).add(doc, boxes(doc, from, to));
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
}

/** Makes the boxes anew, when they can be ticked or no longer. */
export function withBoxes(state: EditorState): Transaction {
  return state.tr.setMeta(key, true);
}

function boxElement(view: EditorView, at: () => number | undefined, label: string, checked: boolean, editable: boolean): HTMLElement {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = checked;
  box.disabled = !editable;
  box.className = "check-box";
  box.setAttribute("aria-label", label);
  // The text box is one stop for the Tab key; Control-Enter does by keyboard what a click does.
  box.tabIndex = -1;
  box.contentEditable = "false";
  box.addEventListener("mousedown", (event) => event.preventDefault());
  box.addEventListener("click", (event) => {
    event.preventDefault();
    const position = at();
    if (position !== undefined && view.editable) toggleCheckedAt(view.state, position - 1, view.dispatch);
  });
  return box;
}
