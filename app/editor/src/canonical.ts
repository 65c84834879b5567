// The one form in which the tree stands for its blocks.
import type { Node, ResolvedPos } from "prosemirror-model";
import { Plugin, type Transaction } from "prosemirror-state";
import { beginsItem, build, deepest, placedFreely, settled } from "./blocks.ts";
import { changedChildren, childStart, withinText } from "./edits.ts";
import { isList } from "./lists.ts";
import { remoteMeta } from "./remote.ts";
import { schema } from "./schema.ts";
import type { Shape } from "./types.ts";

const { paragraph, list_item, blockquote, aside, table, table_row, table_cell, foreign } = schema.nodes;

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

// Two lists or tables side by side are one; an item without a marker of its own belongs to the item before it, but a cell or
// a row gets one; and only the first paragraph in an item can be one with a marker of its own. What is put into an item has
// it as its parent.
function repairOne(tr: Transaction, from: number, to: number): boolean {
  let repaired = false;
  tr.doc.nodesBetween(from, to, (node, position, parent, index) => {
    if (repaired || parent === null) return false;
    const before = index > 0 ? parent.child(index - 1) : null;
    repaired = true;
    if (before?.type === node.type && isGroup(node)) tr.join(position);
    else if (before?.type === node.type && isItem(node) && !hasMarker(node)) tr.join(position);
    else if (node.type === table_row && !hasMarker(node)) giveMarker(tr, node, position);
    else if (before?.type === table_cell && node.attrs.implicit === before.attrs.implicit && !hasMarker(node)) {
      if (node.attrs.implicit === true) tr.join(position);
      else tr.insert(position + 1, paragraph.create());
    } else if (node.attrs.explicit === true && !(index === 0 && marks(tr.doc.resolve(position)))) {
      tr.setNodeMarkup(position, null, { ...node.attrs, explicit: false });
    } else if (node.attrs.nested === false && !placedFreely(node, isWithin(parent))) {
      const { type, attrs } = settled(node);
      tr.setNodeMarkup(position, type, attrs);
    } else if (node.type === foreign && (isLooseCell(node, parent) || isDisguised(node, tr.doc.resolve(position)))) {
      tr.setNodeMarkup(position, paragraph);
    } else {
      repaired = false;
    }
    return !repaired && !node.isTextblock;
  });
  return repaired;
}

/** What neighbours that are alike share. */
function isGroup(node: Node): boolean {
  return isList(node) || node.type === table;
}

function isItem(node: Node): boolean {
  return [list_item, blockquote, aside].includes(node.type);
}

function isWithin(parent: Node): boolean {
  return isItem(parent) || parent.type === table_cell;
}

/** Whether an item, a row or a cell begins with a paragraph that carries its marker. */
function hasMarker(node: Node): boolean {
  if (node.type === table_cell && node.attrs.implicit === true) return false;
  const begin = node.type !== table_row ? node.child(0) : node.child(0).attrs.implicit === true ? node.child(0).child(0) : null;
  return begin !== null && beginsItem(begin);
}

/** Whether the first block at a position may be one that carries the marker of what it stands in. */
function marks($position: ResolvedPos): boolean {
  const { parent } = $position;
  if (parent.type === table_cell && parent.attrs.implicit === true) return $position.index(-1) === 0;
  return isWithin(parent);
}

/** A row begins with the cell that was its second, or with an empty line. */
function giveMarker(tr: Transaction, row: Node, position: number): void {
  const first = row.child(0);
  if (first.attrs.implicit === true) tr.insert(position + 2, paragraph.create());
  else tr.setNodeMarkup(position + 1, null, { implicit: true });
}

/** What would be a cell where it stands now. */
function isLooseCell(node: Node, parent: Node): boolean {
  const { type, isEmbed } = node.attrs.shape as { type: string; isEmbed: boolean };
  return type === "table-cell" && !isEmbed && parent.type === table_cell && parent.attrs.implicit === true;
}

/** What is pasted as unknown, but would be shown as something else. */
function isDisguised(node: Node, { depth }: ResolvedPos): boolean {
  const shape = node.attrs.shape as Shape;
  // Deep inside, what is known is shown flat.
  return depth < deepest && build([{ shape, runs: [] }])[0]?.type !== foreign;
}
