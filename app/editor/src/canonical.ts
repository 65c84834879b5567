// The one form in which the tree stands for its blocks.
import type { Node } from "prosemirror-model";
import { Plugin, type Transaction } from "prosemirror-state";
import { beginsItem, placedFreely, settled } from "./blocks.ts";
import { changedChildren, childStart, withinText } from "./edits.ts";
import { isList } from "./lists.ts";
import { remoteMeta } from "./remote.ts";
import { schema } from "./schema.ts";

/** After a local change of structure, puts the tree into the form that its blocks would be built as. */
export function canonicalForm(): Plugin {
  return new Plugin({
    appendTransaction(transactions, _, state) {
      const structural = transactions.some(
        (tr) => !tr.getMeta(remoteMeta) && tr.steps.some((step, i) => !withinText(step, tr.docs[i] ?? tr.doc)),
      );
      const before = transactions[0]?.before;
      if (!structural || before === undefined) return null;
      const changed = changedChildren(before, state.doc);
      const tr = state.tr;
      const from = childStart(state.doc, Math.max(changed.from - 1, 0));
      const toEnd = state.doc.content.size - childStart(state.doc, Math.min(changed.afterTo + 1, state.doc.childCount));
      while (repairOne(tr, from, tr.doc.content.size - toEnd)) {}
      return tr.docChanged ? tr : null;
    },
  });
}

// Two lists of a kind side by side are one list; an item without a marker of its own belongs to the item before it; and
// only the first paragraph in an item can be one with a marker of its own. What is put into an item has it as its parent.
function repairOne(tr: Transaction, from: number, to: number): boolean {
  let repaired = false;
  tr.doc.nodesBetween(from, to, (node, position, parent, index) => {
    if (repaired || parent === null) return false;
    const before = index > 0 ? parent.child(index - 1) : null;
    if (before?.type === node.type && (isList(node) || (isItem(node) && !beginsItem(node.child(0))))) {
      tr.join(position);
      repaired = true;
    } else if (node.attrs.explicit === true && (index > 0 || !isItem(parent))) {
      tr.setNodeMarkup(position, null, { ...node.attrs, explicit: false });
      repaired = true;
    } else if (node.attrs.nested === false && !placedFreely(node, isItem(parent))) {
      const { type, attrs } = settled(node);
      tr.setNodeMarkup(position, type, attrs);
      repaired = true;
    }
    return !repaired && !node.isTextblock;
  });
  return repaired;
}

function isItem(node: Node): boolean {
  return !isList(node) && !node.isTextblock && node.type !== schema.nodes.doc;
}
