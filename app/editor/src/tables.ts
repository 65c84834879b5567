// Tables. A row's first cell is the row's own: what begins it is the row's marker, so deleting the first column gives each row
// the cell that was its second.
import type { Node, ResolvedPos } from "prosemirror-model";
import { type Command, type EditorState, Plugin, PluginKey, Selection, TextSelection, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { beginsItem } from "./blocks.ts";
import { changedChildren, childStart } from "./edits.ts";
import { inItsLanguage } from "./language.ts";
import { beginOf } from "./points.ts";
import { schema } from "./schema.ts";

const { paragraph, table, table_row, table_cell, list_item } = schema.nodes;

/** What a new table has, its row of headings included. */
const newRows = 3;
const newColumns = 3;

/** Where in a table a place is. `start` is before the table. */
type Cell = { table: Node; start: number; row: number; column: number };

/** The cell of the innermost table around a place. */
function cellAround($position: ResolvedPos): Cell | null {
  for (let depth = $position.depth; depth > 1; depth--) {
    if ($position.node(depth).type !== table_cell) continue;
    return { table: $position.node(depth - 2), start: $position.before(depth - 2), row: $position.index(depth - 2), column: $position.index(depth - 1) };
  }
  return null;
}

export function inTable({ selection }: EditorState): boolean {
  return cellAround(selection.$from) !== null;
}

/** The position before a row, or before the end of the table. */
function rowStart({ table, start }: Cell, row: number): number {
  return start + 1 + childStart(table, row);
}

function cellStart(cell: Cell, row: number, column: number): number {
  return rowStart(cell, row) + 1 + childStart(cell.table.child(row), column);
}

function newCell(first: boolean, header = false): Node {
  return table_cell.create({ implicit: first }, paragraph.create({ data: first && header ? { header: true } : {} }));
}

function newRow(columns: number, header = false): Node {
  return table_row.create(null, Array.from({ length: columns }, (_, column) => newCell(column === 0, header)));
}

/** Whether a row is one of headings, as the paragraph says that carries its marker. */
function isHeader(row: Node): boolean {
  const first = row.child(0);
  const begin = first.child(0);
  return first.attrs.implicit === true && beginsItem(begin) && (begin.attrs.data as { header?: unknown }).header === true;
}

/** A new table under the block the caret is in, or in its place if that is empty. */
export const insertTable: Command = (state, dispatch) => {
  const $from = beginOf(state.selection);
  for (let depth = $from.depth; depth > 0; depth--) if ([list_item, table_cell].includes($from.node(depth).type)) return false;
  const made = table.create(null, Array.from({ length: newRows }, (_, row) => newRow(newColumns, row === 0)));
  const empty = $from.parent.type === paragraph && $from.parent.content.size === 0;
  const [from, to] = empty ? [$from.before(), $from.after()] : [$from.after(), $from.after()];
  const tr = state.tr;
  // Below a table there is a place to go on writing, and two tables are not one.
  const next = state.doc.resolve(to).nodeAfter;
  tr.replaceWith(from, to, next === null || next.type === table ? [made, paragraph.create()] : [made]);
  if (tr.doc.resolve(from).nodeBefore?.type === table) tr.insert(from, paragraph.create());
  const first = tr.doc.resolve(tr.mapping.map(from, -1));
  dispatch?.(tr.setSelection(Selection.near(first, 1)).scrollIntoView());
  return true;
};

/** What the menu of a table can do, by the names of its commands. */
export const tableCommands = {
  "row-above": inCell((tr, cell) => {
    // Above the headings comes a row that is none.
    tr.insert(rowStart(cell, cell.row), newRow(columns(cell)));
  }),
  "row-below": inCell((tr, cell) => {
    tr.insert(rowStart(cell, cell.row + 1), newRow(columns(cell)));
  }),
  "column-before": inCell((tr, cell) => eachRow(cell, (row) => addCell(tr, cell, row, cell.column))),
  "column-after": inCell((tr, cell) => eachRow(cell, (row) => addCell(tr, cell, row, cell.column + 1))),
  "delete-row": inCell((tr, cell) => {
    if (cell.table.childCount === 1) removeTable(tr, cell);
    else tr.delete(rowStart(cell, cell.row), rowStart(cell, cell.row + 1));
  }),
  "delete-column": inCell((tr, cell) => {
    if (columns(cell) === 1) removeTable(tr, cell);
    else eachRow(cell, (row) => removeCell(tr, cell, row));
  }),
  "delete-table": inCell(removeTable),
  "header-row": inCell((tr, cell) => {
    const first = cell.table.child(0);
    const begin = first.child(0).child(0);
    if (begin.type !== paragraph) return;
    const { header: _, ...others } = begin.attrs.data as Record<string, unknown>;
    const data = isHeader(first) ? others : { ...others, header: true };
    tr.setNodeMarkup(cellStart(cell, 0, 0) + 1, null, { ...begin.attrs, data });
  }),
} satisfies Record<string, Command>;

function inCell(change: (tr: Transaction, cell: Cell) => void): Command {
  return (state, dispatch) => {
    const cell = cellAround(state.selection.$from);
    if (cell === null) return false;
    if (dispatch !== undefined) {
      const tr = state.tr;
      change(tr, cell);
      stay(tr, cell);
      dispatch(tr.scrollIntoView());
    }
    return true;
  };
}

/** Whoever was in a cell that went is in the one that took its place. */
function stay(tr: Transaction, { start, row, column }: Cell): void {
  const left = tr.doc.nodeAt(start);
  if (left?.type !== table || cellAround(tr.selection.$from)?.start === start) return;
  const cell = { table: left, start, row: Math.min(row, left.childCount - 1), column };
  const last = left.child(cell.row).childCount - 1;
  tr.setSelection(Selection.near(tr.doc.resolve(cellStart(cell, cell.row, Math.min(column, last)) + 1), 1));
}

/** As many as the longest row has: a merge can leave shorter ones. */
function columns({ table }: Cell): number {
  let most = 0;
  table.forEach((row) => void (most = Math.max(most, row.childCount)));
  return most;
}

/** The last first, so that the places of those before stay. */
function eachRow({ table }: Cell, change: (row: number) => void): void {
  for (let row = table.childCount - 1; row >= 0; row--) change(row);
}

function addCell(tr: Transaction, cell: Cell, row: number, column: number): void {
  const node = cell.table.child(row);
  const at = Math.min(column, node.childCount);
  if (at > 0) {
    tr.insert(cellStart(cell, row, at), newCell(false));
    return;
  }
  // The row's marker stays where it is, at the beginning; what was in its cell goes on as the second.
  const start = cellStart(cell, row, 0);
  const header = isHeader(node);
  if (node.child(0).attrs.implicit === true) tr.setNodeMarkup(start, null, { implicit: false });
  if (header) tr.setNodeMarkup(start + 1, null, { data: inItsLanguage(node.child(0).child(0), {}), explicit: false });
  tr.insert(start, newCell(true, header));
}

function removeCell(tr: Transaction, cell: Cell, row: number): void {
  const node = cell.table.child(row);
  if (cell.column >= node.childCount) return;
  const start = cellStart(cell, row, cell.column);
  if (node.childCount === 1) {
    tr.replaceWith(start + 1, start + node.nodeSize - 3, paragraph.create({ data: node.child(0).child(0).attrs.data }));
    return;
  }
  const header = isHeader(node);
  tr.delete(start, start + node.child(cell.column).nodeSize);
  if (cell.column > 0) return;
  const begin = tr.doc.nodeAt(start + 1);
  tr.setNodeMarkup(start, null, { implicit: true });
  if (header && begin !== null && begin.type === paragraph) tr.setNodeMarkup(start + 1, null, { ...begin.attrs, data: inItsLanguage(begin, { header: true }) });
}

function removeTable(tr: Transaction, { start, table }: Cell): void {
  tr.replaceWith(start, start + table.nodeSize, paragraph.create());
  tr.setSelection(TextSelection.create(tr.doc, start + 1));
}

/** Goes to another cell, in the order in which one reads. Behind the last there is a new row. */
export function goToCell(step: 1 | -1): Command {
  return (state, dispatch, view) => {
    const cell = cellAround(state.selection.$from);
    if (cell === null) return false;
    let { row, column } = cell;
    column += step;
    if (column < 0) column = (cell.table.maybeChild(--row)?.childCount ?? 0) - 1;
    else if (column >= cell.table.child(row).childCount) (row++, (column = 0));
    if (row < 0) return true;
    if (row < cell.table.childCount) {
      const inside = state.doc.resolve(cellStart(cell, row, column) + 1);
      dispatch?.(state.tr.setSelection(Selection.near(inside, 1)).scrollIntoView());
      return true;
    }
    return tableCommands["row-below"](state, dispatch && ((tr) => {
      dispatch(tr.setSelection(Selection.near(tr.doc.resolve(rowStart(cell, row)), 1)));
    }), view);
  };
}

/** From a table that ends the page, down leads to a new line. */
export const belowTable: Command = (state, dispatch, view) => {
  const { $head, empty } = state.selection;
  const cell = cellAround($head);
  if (!empty || cell === null || cell.row < cell.table.childCount - 1) return false;
  const end = cell.start + cell.table.nodeSize;
  if (state.doc.resolve(end).nodeAfter !== null || view?.endOfTextblock("down") === false) return false;
  const tr = state.tr.insert(end, paragraph.create());
  dispatch?.(tr.setSelection(TextSelection.create(tr.doc, end + 1)).scrollIntoView());
  return true;
};

/** Deleting a selection over several cells empties them, and leaves the table. */
export const emptyCells: Command = (state, dispatch) => {
  const tr = withEmptyCells(state);
  if (tr === null) return false;
  dispatch?.(tr.scrollIntoView());
  return true;
};

/** Where a selection begins or ends in a table that is not all in it, the cells are emptied. Null if none are. */
function withEmptyCells({ selection, tr }: EditorState): Transaction | null {
  const { from, to } = selection;
  if (!splitsTable(tr.doc.resolve(from), tr.doc.resolve(to))) return null;
  clear(tr, from, to);
  return tr.setSelection(TextSelection.create(tr.doc, from));
}

function splitsTable($from: ResolvedPos, $to: ResolvedPos): boolean {
  const depth = $from.sharedDepth($to.pos);
  return [table, table_row].includes($from.node(depth).type) || tableBelow($from, depth) !== null || tableBelow($to, depth) !== null;
}

/** The depth of the outermost table that is deeper than another place. */
function tableBelow($position: ResolvedPos, depth: number): number | null {
  for (let below = depth + 1; below <= $position.depth; below++) if ($position.node(below).type === table) return below;
  return null;
}

/** Deletes what is between two places, but no cell of a table that only one of them is in. What is behind goes first. */
function clear(tr: Transaction, from: number, to: number): void {
  const $from = tr.doc.resolve(from);
  const $to = tr.doc.resolve(to);
  if (!splitsTable($from, $to)) {
    tr.delete(from, to);
    return;
  }
  const depth = $from.sharedDepth(to);
  const first = tableBelow($from, depth);
  const last = tableBelow($to, depth);
  if (first === null && last === null) {
    deleteTexts(tr, from, to);
    return;
  }
  const start = first === null ? from : $from.after(first);
  const end = last === null ? to : $to.before(last);
  if (last !== null) deleteTexts(tr, end, to);
  if (start < end) {
    const between = TextSelection.between(tr.doc.resolve(start), tr.doc.resolve(end), 1);
    if (between.from >= start && between.to <= end) clear(tr, between.from, between.to);
  }
  if (first !== null) deleteTexts(tr, from, start);
}

/** Deletes the texts between two places, and leaves their blocks. */
function deleteTexts(tr: Transaction, from: number, to: number): void {
  const texts: [number, number][] = [];
  tr.doc.nodesBetween(from, to, (node, position) => {
    if (node.isTextblock) texts.push([Math.max(from, position + 1), Math.min(to, position + 1 + node.content.size)]);
    return !node.isTextblock;
  });
  for (const [start, end] of texts.reverse()) if (start < end) tr.delete(start, end);
}

/** Typing, pasting and cutting over several cells empties them first; what comes in goes into the first. */
export function wholeTables(): Plugin {
  return new Plugin({
    props: {
      handleTextInput(view, _from, _to, text) {
        const tr = withEmptyCells(view.state);
        if (tr === null) return false;
        view.dispatch(tr.insertText(text).scrollIntoView());
        return true;
      },
      handlePaste(view, _, slice) {
        const tr = withEmptyCells(view.state);
        if (tr === null) return false;
        view.dispatch(tr.replaceSelection(slice).scrollIntoView().setMeta("paste", true).setMeta("uiEvent", "paste"));
        return true;
      },
      handleDOMEvents: {
        cut(view, event) {
          const tr = view.editable ? withEmptyCells(view.state) : null;
          if (tr === null || event.clipboardData === null) return false;
          const { dom, text } = view.serializeForClipboard(view.state.selection.content());
          event.clipboardData.clearData();
          event.clipboardData.setData("text/html", dom.innerHTML);
          event.clipboardData.setData("text/plain", text);
          event.preventDefault();
          view.dispatch(tr.scrollIntoView().setMeta("uiEvent", "cut"));
          return true;
        },
        // What is composed goes into the document by itself, in place of the selection.
        compositionstart(view) {
          emptyCells(view.state, view.dispatch);
          return false;
        },
      },
    },
  });
}

const key = new PluginKey<DecorationSet>("headings");

/** Says of the cells of a row of headings what they are, to the eye and to a screen reader. */
export function tableHeadings(): Plugin<DecorationSet> {
  const headings = (doc: Node, from: number, to: number) => {
    const found: Decoration[] = [];
    doc.nodesBetween(from, to, (node, position) => {
      if (node.type === table_row && isHeader(node)) {
        node.forEach((cell, offset) => {
          const start = position + 1 + offset;
          found.push(Decoration.node(start, start + cell.nodeSize, { role: "columnheader", class: "heading" }));
        });
      }
      return !node.isTextblock;
    });
    return found;
  };
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc }) => DecorationSet.create(doc, headings(doc, 0, doc.content.size)),
      apply(tr, shown, _, { doc }) {
        if (!tr.docChanged) return shown;
        const changed = changedChildren(tr.before, doc);
        const [from, to] = [childStart(doc, changed.from), childStart(doc, changed.afterTo)];
        const mapped = shown.map(tr.mapping, doc);
        return mapped.remove(mapped.find(from, to)).add(doc, headings(doc, from, to));
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
}
