// Showing changes by others. Text and marks become exact steps. Structural changes rebuild the nodes around them, with a
// map that says where every piece of text went: selection, cursors and undo history stay on their characters.
import { Fragment, type Mark, type Node, type ResolvedPos, Slice } from "prosemirror-model";
import { type EditorState, NodeSelection, Selection, TextSelection, type Transaction } from "prosemirror-state";
import { ReplaceStep, Step, StepMap, StepResult, type Transform } from "prosemirror-transform";
import { afterEdit, build, flatten, inline, join, lengthOf, markEntry, missing, proseMark, sameRuns } from "./blocks.ts";
import { childStart, shifted } from "./edits.ts";
import { countBefore, countBlocks, placeOf } from "./points.ts";
import { schema } from "./schema.ts";
import type { Block, Edit, Run } from "./types.ts";

/** Set on transactions that show what others did. */
export const remoteMeta = "remote";

/** One transaction with all the edits. Throws a RangeError if an edit names a block that does not exist. */
export function remoteTransaction(state: EditorState, edits: Edit[]): Transaction {
  const tr = state.tr;
  for (const edit of edits) applyEdit(tr, edit);
  keepSelection(tr, state);
  // The next letter of the person who just pressed "bold" stays bold.
  tr.setStoredMarks(state.storedMarks);
  return tr.setMeta(remoteMeta, true).setMeta("addToHistory", false);
}

/** Makes an edit in the document. */
export function applyEdit(tr: Transform, edit: Edit): void {
  if (edit.op === "text") applyText(tr, edit);
  else if (edit.op === "mark") applyMark(tr, edit);
  else applyStructure(tr, edit);
}

function applyText(tr: Transform, edit: Edit & { op: "text" }): void {
  const { node, start } = placeOf(tr.doc, edit.block);
  const offset = Math.min(edit.offset, node.content.size);
  const end = Math.min(offset + edit.delete, node.content.size);
  replaceInline(tr, start + offset, start + end, inline(edit.insert));
}

function applyMark(tr: Transform, edit: Edit & { op: "mark" }): void {
  const { node, start } = placeOf(tr.doc, edit.block);
  const from = Math.min(edit.from, node.content.size);
  const to = Math.min(edit.to, node.content.size);
  const mark = proseMark(edit.name, edit.value ?? true);
  if (mark.type === schema.marks.comment || mark.type === schema.marks.foreign_mark) {
    applyOneOfMany(tr, start + from, start + to, mark, edit.value === null);
  } else if (edit.value === null) {
    tr.removeMark(start + from, start + to, mark.type);
  } else {
    tr.addMark(start + from, start + to, mark);
  }
}

// Of a type of which text has several, each by its name. The others stay, and so do the carets in the text: none is replaced.
function applyOneOfMany(tr: Transform, from: number, to: number, mark: Mark, removed: boolean): void {
  const others: { mark: Mark; from: number; to: number }[] = [];
  tr.doc.nodesBetween(from, to, (node, position) => {
    for (const other of node.marks) {
      if (other.type !== mark.type || markEntry(other)[0] < markEntry(mark)[0]) continue;
      others.push({ mark: other, from: Math.max(from, position), to: Math.min(to, position + node.nodeSize) });
    }
  });
  for (const other of others) tr.removeMark(other.from, other.to, other.mark);
  if (!removed) tr.addMark(from, to, mark);
  // In the order in which they are built, because ProseMirror compares marks in order.
  others.sort((a, b) => (markEntry(a.mark)[0] < markEntry(b.mark)[0] ? -1 : 1));
  for (const other of others) if (markEntry(other.mark)[0] !== markEntry(mark)[0]) tr.addMark(other.from, other.to, other.mark);
}

function replaceInline(tr: Transform, from: number, to: number, content: Fragment): void {
  if (from < to || content.size > 0) tr.step(new ReplaceStep(from, to, new Slice(content, 0, 0)));
}

function applyStructure(tr: Transform, edit: Exclude<Edit, { op: "text" | "mark" }>): void {
  const first = edit.op === "blocks" ? edit.from : edit.op === "join" ? edit.block - 1 : edit.block;
  const last = edit.op === "blocks" ? edit.from + edit.count - 1 : edit.block;
  const count = countBlocks(tr.doc);
  if (first < 0 || last >= count || (edit.op === "blocks" && (edit.count < 0 || first > count))) throw missing(first < 0 ? first : last);
  tr.step(rebuilding(tr.doc, first, last, [edit]));
}

/** One step that makes blocks something else. There is at least one. */
export function reshaping(doc: Node, edits: (Edit & { op: "shape" })[]): Step {
  const blocks = edits.map(({ block }) => block);
  return rebuilding(doc, Math.min(...blocks), Math.max(...blocks), edits);
}

/** `edits` are either one, or several that leave all text where it is. */
function rebuilding(doc: Node, first: number, last: number, edits: Edit[]): Step {
  // Neighbours may merge with what changes: a paragraph between two lists becomes an item of both.
  const from = Math.max(placeOf(doc, Math.min(first, countBlocks(doc) - 1)).child - 1, 0);
  const to = Math.min(placeOf(doc, Math.max(last, 0)).child + 2, doc.childCount);

  const base = countBefore(doc, from);
  const start = childStart(doc, from);
  const end = childStart(doc, to);
  const old = Fragment.from(doc.content.content.slice(from, to));
  const oldBlocks = flatten(old);
  const local = edits.map((edit) => shifted(edit, -base));
  const blocks = local.reduce(afterEdit, oldBlocks);
  const nodes = from === 0 && to === doc.childCount && blocks.length === 0 ? [schema.nodes.paragraph.create()] : build(blocks);
  const fresh = Fragment.fromArray(nodes);
  return new RebuildStep(start, end, fresh, rangesBetween(start, old, fresh, keptText(local[0] as Edit, oldBlocks)));
}

/** A piece of text that a structural edit leaves as it is, or moves to another block. */
type Kept = { block: number; offset: number; length: number; newBlock: number; newOffset: number };

function keptText(edit: Edit, blocks: Block[]): Kept[] {
  const all = blocks.map(({ runs }, block): Kept => ({ block, offset: 0, length: lengthOf(runs), newBlock: block, newOffset: 0 }));
  const moved = (pieces: Kept[], by: number) => pieces.map((piece) => ({ ...piece, newBlock: piece.newBlock + by }));
  if (edit.op === "split") {
    const { block, offset } = edit;
    return all.flatMap((piece) => {
      if (piece.block !== block) return moved([piece], piece.block > block ? 1 : 0);
      const length = Math.min(offset, piece.length);
      return [
        { ...piece, length },
        { ...piece, offset: length, length: piece.length - length, newBlock: block + 1 },
      ];
    });
  }
  if (edit.op === "join") {
    const newOffset = all[edit.block - 1]?.length ?? 0;
    return [
      ...all.slice(0, edit.block),
      ...all.slice(edit.block, edit.block + 1).map((piece) => ({ ...piece, newBlock: edit.block - 1, newOffset })),
      ...moved(all.slice(edit.block + 1), -1),
    ];
  }
  if (edit.op !== "blocks") return all;

  const end = edit.from + edit.count;
  const more = edit.blocks.length - edit.count;
  const replaced = all.slice(edit.from, end);
  const same = (piece: Kept, by: number) =>
    sameRuns(blocks[piece.block]?.runs ?? [], edit.blocks[piece.block - edit.from + by]?.runs ?? [{ text: "\0", marks: {} }]);
  let inside: Kept[];
  if (more === 0) {
    inside = replaced.flatMap((piece, i) => keptWithin(piece, blocks[piece.block]?.runs ?? [], edit.blocks[i]?.runs ?? []));
  } else {
    const shorter = Math.min(edit.count, edit.blocks.length);
    const head = replaced.slice(0, shorter).findIndex((piece) => !same(piece, 0));
    const prefix = head < 0 ? shorter : head;
    let suffix = 0;
    while (suffix < shorter - prefix && same(all[end - 1 - suffix] as Kept, more)) suffix++;
    inside = [...replaced.slice(0, prefix), ...moved(all.slice(end - suffix, end), more)];
  }
  return [...all.slice(0, edit.from), ...inside, ...moved(all.slice(end), more)];
}

/** What two versions of a block's text share at its beginning and its end. */
function keptWithin(kept: Kept, runs: Run[], fresh: Run[]): Kept[] {
  const text = textOf(runs);
  const newText = textOf(fresh);
  const shorter = Math.min(text.length, newText.length);
  let prefix = 0;
  while (prefix < shorter && text[prefix] === newText[prefix]) prefix++;
  let suffix = 0;
  while (suffix < shorter - prefix && text.at(-1 - suffix) === newText.at(-1 - suffix)) suffix++;
  if (prefix === text.length && prefix === newText.length) return [kept];
  return [
    { ...kept, length: prefix },
    { ...kept, offset: text.length - suffix, length: suffix, newOffset: newText.length - suffix },
  ];
}

function textOf(runs: Run[]): string {
  return join(runs).map((run) => run.text).join("");
}

/** The ranges between the kept texts that differ, as `StepMap` wants them: position, old size, new size. */
function rangesBetween(start: number, old: Fragment, fresh: Fragment, kept: Kept[]): number[] {
  const oldStarts = textStarts(old);
  const newStarts = textStarts(fresh);
  const oldDoc = schema.nodes.doc.create(null, old);
  const newDoc = schema.nodes.doc.create(null, fresh);
  const ranges: number[] = [];
  let oldEnd = 0;
  let newEnd = 0;
  // Ends that stay at its beginning, and beginnings that stay at its end, are left out: a step of one's own that reaches to there
  // is still to be undone.
  const gap = (oldNext: number, newNext: number) => {
    while (oldEnd < oldNext && newEnd < newNext && sameEnd(oldDoc.resolve(oldEnd), newDoc.resolve(newEnd))) oldEnd++, newEnd++;
    while (oldEnd < oldNext && newEnd < newNext && sameBeginning(oldDoc.resolve(oldNext - 1), newDoc.resolve(newNext - 1))) oldNext--, newNext--;
    if (oldEnd < oldNext || newEnd < newNext) ranges.push(start + oldEnd, oldNext - oldEnd, newNext - newEnd);
  };
  for (const piece of kept) {
    const oldNext = (oldStarts[piece.block] ?? 0) + piece.offset;
    const newNext = (newStarts[piece.newBlock] ?? 0) + piece.newOffset;
    gap(oldNext, newNext);
    oldEnd = oldNext + piece.length;
    newEnd = newNext + piece.length;
  }
  gap(old.size, fresh.size);
  return ranges;
}

/** Whether nodes of one type end behind two places. */
function sameEnd(a: ResolvedPos, b: ResolvedPos): boolean {
  return a.depth > 0 && b.depth > 0 && a.nodeAfter === null && b.nodeAfter === null && a.parent.type === b.parent.type;
}

/** Whether nodes that are alike begin behind two places. */
function sameBeginning(a: ResolvedPos, b: ResolvedPos): boolean {
  const { nodeAfter: one } = a;
  const { nodeAfter: other } = b;
  return one !== null && other !== null && !one.isText && one.sameMarkup(other);
}

function textStarts(nodes: Fragment): number[] {
  const starts: number[] = [];
  nodes.descendants((node, position) => {
    if (node.isTextblock) starts.push(position + 1);
    return !node.isTextblock;
  });
  return starts;
}

/** Replaces children of the document, knowing which text stayed. */
class RebuildStep extends Step {
  readonly from: number;
  readonly to: number;
  readonly content: Fragment;
  readonly ranges: readonly number[];

  constructor(from: number, to: number, content: Fragment, ranges: readonly number[]) {
    super();
    this.from = from;
    this.to = to;
    this.content = content;
    this.ranges = ranges;
  }

  override apply(doc: Node): StepResult {
    return StepResult.fromReplace(doc, this.from, this.to, new Slice(this.content, 0, 0));
  }

  override getMap(): StepMap {
    return new StepMap(this.ranges);
  }

  override invert(doc: Node): Step {
    let moved = 0;
    const ranges: number[] = [];
    this.getMap().forEach((from, to, newFrom, newTo) => {
      ranges.push(from + moved, newTo - newFrom, to - from);
      moved += newTo - newFrom - (to - from);
    });
    return new RebuildStep(this.from, this.from + this.content.size, doc.slice(this.from, this.to).content, ranges);
  }

  override map(): null {
    return null;
  }

  override toJSON(): unknown {
    return { stepType: "rebuild", from: this.from, to: this.to, content: this.content.toJSON(), ranges: this.ranges };
  }
}

// Text that others insert right at the caret comes after it: two people who type at the same place then don't
// interleave their letters. A selection does not grow. A block that is selected whole is followed by its text.
function keepSelection(tr: Transaction, { selection }: EditorState): void {
  if (selection instanceof NodeSelection && selection.node.isTextblock) {
    const $text = tr.doc.resolve(tr.mapping.map(selection.from + 1, -1));
    const kept = $text.parent.isTextblock ? NodeSelection.create(tr.doc, $text.before()) : Selection.near($text);
    tr.setSelection(kept);
    return;
  }
  if (!(selection instanceof TextSelection)) return;
  const side = (position: number) => (selection.empty || position === selection.to ? -1 : 1);
  const mapped = (position: number) => tr.doc.resolve(tr.mapping.map(position, side(position)));
  const kept = TextSelection.between(mapped(selection.anchor), mapped(selection.head));
  if (!tr.selection.eq(kept)) tr.setSelection(kept);
}
