// Lists. An item's own attributes, as whether it is checked, are those of the paragraph that it begins with.
import { liftListItem, sinkListItem, splitListItem, wrapInList } from "prosemirror-schema-list";
import type { Attrs, Node, NodeType } from "prosemirror-model";
import { type Command, type EditorState, type Selection, TextSelection, type Transaction } from "prosemirror-state";
import { beginsItem } from "./blocks.ts";
import { append, inTurn } from "./in_turn.ts";
import { inItsLanguage } from "./language.ts";
import { isPicture } from "./pictures.ts";
import { schema } from "./schema.ts";
import type { ListKind } from "./types.ts";

const { bullet_list, ordered_list, list_item, paragraph } = schema.nodes;

/** Lists are not nested deeper than anyone can read. */
const deepestList = 8;

export function isList(node: Node): boolean {
  return node.type === bullet_list || node.type === ordered_list;
}

/** Whether a paragraph says that the item it begins is done, or not yet; null if it says neither. */
export function checkedOf(node: Node): boolean | null {
  const { checked } = (node.attrs.data ?? {}) as { checked?: unknown };
  return typeof checked === "boolean" && beginsItem(node) ? checked : null;
}

/** The paragraph's attributes with another `checked`, or without. */
function withChecked(node: Node, checked: boolean | null): Record<string, unknown> {
  const { checked: _, ...others } = node.attrs.data as Record<string, unknown>;
  return { ...node.attrs, data: checked === null ? others : { ...others, checked } };
}

/** The innermost list around the whole selection. */
function listAround({ selection }: EditorState): { node: Node; position: number; depth: number } | null {
  const { $from, $to } = selection;
  for (let depth = $from.sharedDepth($to.pos); depth > 0; depth--) {
    const node = $from.node(depth);
    if (isList(node)) return { node, position: $from.before(depth), depth };
  }
  return null;
}

/** What kind of list the selection is in. */
export function listKind(state: EditorState): ListKind | null {
  const list = listAround(state);
  if (list === null) return null;
  if (list.node.type === ordered_list) return "numbered";
  const item = state.selection.$from.node(list.depth + 1);
  return item.firstChild !== null && checkedOf(item.firstChild) !== null ? "check" : "bulleted";
}

/** Makes a list of this kind of what is selected, or of the list around it, or takes it out of that. */
export function toggleList(kind: ListKind): Command {
  const type = kind === "numbered" ? ordered_list : bullet_list;
  return (state, dispatch, view) => {
    if (listKind(state) === kind) return outOfLists(state, dispatch, view);
    const list = listAround(state);
    if (list === null) {
      return inTurn([eachBlock(liftListItem(list_item)), paragraphs, wrapInList(type), check(kind === "check")])(state, dispatch, view);
    }
    const tr = state.tr;
    if (list.node.type !== type) tr.setNodeMarkup(list.position, type);
    list.node.forEach((item, offset) => {
      const begin = item.firstChild;
      if (begin !== null && beginsItem(begin)) checkAt(tr, list.position + offset + 2, begin, kind === "check" ? (checkedOf(begin) ?? false) : null);
    });
    dispatch?.(tr);
    return true;
  };
}

/** An item begins with a paragraph: a heading in a list would open differently in other programs. */
const paragraphs: Command = ({ selection, tr }, dispatch) => {
  setBlocks(tr, selection, paragraph, (node) => (node.type === paragraph ? node.attrs : { data: inItsLanguage(node, {}) }));
  dispatch?.(tr);
  return true;
};

/** Makes each selected block one of a type. A picture stays one: as something else it would be lost. */
export function setBlocks(tr: Transaction, { from, to }: Selection, type: NodeType, attrs: (node: Node) => Attrs): void {
  tr.doc.nodesBetween(from, to, (node, position) => {
    if (node.isTextblock && !isPicture(node)) tr.setBlockType(position + 1, position + 1, type, attrs);
    return !node.isTextblock;
  });
}

/** Gives the selected items boxes, or takes them away. A paragraph that begins no item, as in a table, has none. */
function check(boxes: boolean): Command {
  return (state, dispatch) => {
    const tr = state.tr;
    const { from, to } = state.selection;
    tr.doc.nodesBetween(from, to, (node, position, parent, index) => {
      const begins = parent?.type === list_item && index === 0;
      if (node.type === paragraph) checkAt(tr, position, node, boxes && begins ? (checkedOf(node) ?? false) : null);
    });
    dispatch?.(tr);
    return true;
  };
}

function checkAt(tr: Transaction, position: number, node: Node, checked: boolean | null): void {
  const had = (node.attrs.data as { checked?: unknown }).checked ?? null;
  if (had !== checked) tr.setNodeMarkup(position, null, withChecked(node, checked));
}

/** Says that the item the selection is in is done, or that it is not. */
export const toggleChecked: Command = (state, dispatch) => {
  const { $from } = state.selection;
  for (let depth = $from.depth; depth > 0; depth--) {
    if ($from.node(depth).type === list_item) return toggleCheckedAt(state, $from.before(depth) + 1, dispatch);
  }
  return false;
};

/** The same for the item that begins with the paragraph at a position. */
export function toggleCheckedAt(state: EditorState, position: number, dispatch?: (tr: Transaction) => void): boolean {
  const node = state.doc.nodeAt(position);
  const checked = node === null ? null : checkedOf(node);
  if (node === null || checked === null) return false;
  dispatch?.(state.tr.setNodeMarkup(position, null, withChecked(node, !checked)));
  return true;
}

/** Does with each selected block by itself what a command does, until that does not apply any more. */
export function eachBlock(command: Command): Command {
  return (state, dispatch) => {
    const { selection, tr } = state;
    const places: number[] = [];
    state.doc.nodesBetween(selection.from, selection.to, (node, position) => {
      if (node.isTextblock) places.push(position + 1);
    });
    for (const place of places) {
      tr.setSelection(TextSelection.create(tr.doc, tr.mapping.map(place)));
      while (append(tr, command)) {}
    }
    if (!tr.docChanged) return false;
    dispatch?.(tr.setSelection(selection.map(tr.doc, tr.mapping)));
    return true;
  };
}

/** Takes the selected items out of every list around them. */
export const outOfLists: Command = inTurn([eachBlock(liftListItem(list_item)), check(false)]);

export const indent: Command = (state, dispatch) => {
  const { $from } = state.selection;
  let depth = 0;
  for (let i = $from.depth; i > 0; i--) if ($from.node(i).type === list_item) depth++;
  return depth < deepestList && sinkListItem(list_item)(state, dispatch);
};

/** One level out; who comes out of the last list is an ordinary paragraph. */
export const outdent: Command = inTurn([
  liftListItem(list_item),
  (state, dispatch) => listAround(state) === null && check(false)(state, dispatch),
]);

/** Enter in an item: the next one begins, and of a check list it is still to be done. An empty item leaves the list. */
export const splitItem: Command = (state, dispatch, view) => {
  const { $from } = state.selection;
  const item = $from.depth > 1 ? $from.node(-1) : null;
  if (item?.type === list_item && $from.parent.content.size === 0 && item.childCount === 1) return outdent(state, dispatch, view);
  const kind = listKind(state);
  return splitListItem(list_item)(state, (tr) => {
    const { $from } = tr.selection;
    const next = $from.parent;
    if (kind !== null && next.type === paragraph && $from.node(-1).type === list_item && $from.index(-1) === 0) {
      checkAt(tr, $from.before(), next, kind === "check" ? false : null);
    }
    dispatch?.(tr);
  });
};

/** Tab belongs to the list while the caret is in one, and moves the focus everywhere else. */
export function inList(command: Command): Command {
  return (state, dispatch, view) => {
    if (listAround(state) === null) return false;
    command(state, dispatch, view);
    return true;
  };
}
