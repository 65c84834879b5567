// From what the person did (ProseMirror steps) to edits. Typing, marks and the places of splits and joins are taken
// from the steps themselves: a difference of texts can't tell which of two equal letters was deleted.
import { Fragment, type Mark, type Node } from "prosemirror-model";
import { AddMarkStep, RemoveMarkStep, ReplaceStep, type Step } from "prosemirror-transform";
import { afterEdit, cut, flatten, join, lengthOf, markEntry, runsOf, sameRuns, sameShape } from "./blocks.ts";
import { PiecesStep } from "./pieces.ts";
import { countBefore, pointBefore } from "./points.ts";
import type { Block, Edit, Run } from "./types.ts";

/** How often changed blocks had to be replaced whole, because nothing smaller described a step. */
export let replacements = 0;

/** The edits that a transaction's steps stand for. `docs` are the documents before each step. */
export function editsOf({ steps, docs, doc }: { steps: readonly Step[]; docs: readonly Node[]; doc: Node }): Edit[] {
  return withoutDetours(steps.flatMap((step, i) => stepEdits(step, docs[i] ?? doc, docs[i + 1] ?? doc)));
}

/** Leaves out shapes that a block has only until a later step: a list of several paragraphs takes several steps. */
function withoutDetours(edits: Edit[]): Edit[] {
  const settled = new Set<number>();
  const kept = edits.toReversed().filter((edit) => {
    if (edit.op === "split" || edit.op === "join" || edit.op === "blocks") settled.clear();
    if (edit.op !== "shape") return true;
    const needed = !settled.has(edit.block);
    settled.add(edit.block);
    return needed;
  });
  return kept.reverse();
}

/** Whether a step leaves the structure as it is: text or marks inside one textblock. */
export function withinText(step: Step, before: Node): boolean {
  if (markSteps(step) !== null) return true;
  if (step instanceof PiecesStep) return step.replacements.every((part) => withinText(part, before));
  if (!(step instanceof ReplaceStep) || step.slice.openStart > 0 || step.slice.openEnd > 0) return false;
  const from = before.resolve(step.from);
  if (!from.parent.isTextblock || step.to > from.end()) return false;
  return step.slice.content.content.every((node) => node.isText);
}

function stepEdits(step: Step, before: Node, after: Node): Edit[] {
  const marking = markSteps(step);
  if (marking !== null) return marking.flatMap((mark) => markEdits(mark, before));
  if (!withinText(step, before)) return structureEdits(step, before, after);
  // The last first, so that those before keep their offsets.
  if (step instanceof PiecesStep) return step.replacements.reverse().flatMap((part) => textEdits(part, before));
  return textEdits(step as ReplaceStep, before);
}

type MarkStep = AddMarkStep | RemoveMarkStep;

// ProseMirror bundles mark steps in a step of a class that it does not export.
function markSteps(step: Step | { steps: unknown }): MarkStep[] | null {
  const isMark = (part: unknown): part is MarkStep => part instanceof AddMarkStep || part instanceof RemoveMarkStep;
  if (isMark(step)) return [step];
  return "steps" in step && Array.isArray(step.steps) && step.steps.every(isMark) ? step.steps : null;
}

function textEdits(step: ReplaceStep, before: Node): Edit[] {
  const { block, offset } = pointBefore(before, step.from);
  const content = before.resolve(step.from).parent.content;
  return replaceText(block, 0, runsOf(content), offset, offset + step.to - step.from, runsOf(step.slice.content));
}

/** Replaces part of a text. `start` is where `runs` begin in the block. */
function replaceText(block: number, start: number, runs: Run[], from: number, to: number, insert: Run[]): Edit[] {
  if (from === to && insert.length === 0) return [];
  // Half a surrogate pair is not text for the other side: take pairs whole.
  const text = runs.map((run) => run.text).join("");
  const first = splitsPair(text, from) ? from - 1 : from;
  const last = splitsPair(text, to) ? to + 1 : to;
  const whole = join(cut(runs, first, from), insert, cut(runs, to, last));
  return [{ op: "text", block, offset: start + first, delete: last - first, insert: whole }];
}

function splitsPair(text: string, offset: number): boolean {
  return offset > 0 && (text.codePointAt(offset - 1) ?? 0) > 0xffff;
}

function markEdits(step: MarkStep, before: Node): Edit[] {
  const edits: Edit[] = [];
  const [name, value] = markEntry(step.mark);
  let block: number | null = null;
  before.nodesBetween(step.from, step.to, (node, position) => {
    if (!node.isTextblock) return true;
    block = block === null ? pointBefore(before, position + 1).block : block + 1;
    const from = Math.max(step.from - position - 1, 0);
    const to = Math.min(step.to - position - 1, node.content.size);
    if (step instanceof AddMarkStep) {
      if (from < to) edits.push({ op: "mark", block, from, to, name, value });
    } else {
      for (const range of markedRanges(node, step.mark, from, to)) edits.push({ op: "mark", block, ...range, name, value: null });
    }
    return false;
  });
  return edits;
}

/** Where a text has this mark and no other of its kind: others may have made it lead elsewhere since. */
function markedRanges(node: Node, mark: Mark, from: number, to: number): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  node.nodesBetween(from, to, (child, offset) => {
    if (!mark.isInSet(child.marks)) return false;
    const range = { from: Math.max(offset, from), to: Math.min(offset + child.nodeSize, to) };
    const last = ranges.at(-1);
    if (last?.to === range.from) last.to = range.to;
    else if (range.from < range.to) ranges.push(range);
    return false;
  });
  return ranges;
}

// Everything else moves, adds or removes markers. The step's map tells which ranges it replaced; each is a row of
// texts with markers between them, before and after. Markers are paired, spare ones joined away, missing ones split in.
function structureEdits(step: Step, before: Node, after: Node): Edit[] {
  const changed = changedChildren(before, after);
  // The child before takes part too: a block that goes joins the one before it.
  const from = Math.max(changed.from - 1, 0);
  const base = countBefore(before, from);
  const old = flatten(Fragment.from(before.content.content.slice(from, changed.beforeTo)));
  const fresh = flatten(Fragment.from(after.content.content.slice(from, changed.afterTo)));

  const edits: Edit[] = [];
  const ranges: [number, number, number, number][] = [];
  step.getMap().forEach((...range) => ranges.push(range));
  // The last first, so that those before keep their numbers and offsets.
  for (const [oldFrom, oldTo, newFrom, newTo] of ranges.reverse()) {
    const replaced = rowOf(before, oldFrom, oldTo);
    const replacement = rowOf(after, newFrom, newTo);
    edits.push(...rowEdits(replaced, replacement, (block) => fresh[block - base]));
  }

  const local = edits.map((edit) => shifted(edit, -base));
  const result = attempt(() => local.reduce(afterEdit, old));
  if (result?.length !== fresh.length || !result.every((block, i) => sameRuns(block.runs, fresh[i]?.runs ?? []))) {
    replacements++;
    return [{ op: "blocks", from: base, count: old.length, blocks: fresh }];
  }
  for (const [i, { shape }] of fresh.entries()) {
    const reached = result[i];
    if (reached !== undefined && !sameShape(reached.shape, shape)) edits.push({ op: "shape", block: base + i, shape });
  }
  return edits;
}

/** A range of the document: its first text is that of `block` from `offset` on; each further one begins with a marker. */
type Row = { block: number; offset: number; texts: Run[][] };

function rowOf(doc: Node, from: number, to: number): Row {
  const texts: Run[][] = [[]];
  doc.nodesBetween(from, to, (node, position) => {
    if (!node.isTextblock) return true;
    if (position >= from) texts.push([]);
    const start = position + 1;
    const text = runsOf(node.content.cut(Math.max(from - start, 0), Math.max(Math.min(to - start, node.content.size), 0)));
    texts[texts.length - 1] = join(texts.at(-1) ?? [], text);
    return false;
  });
  return { ...pointBefore(doc, from), texts };
}

function rowEdits(replaced: Row, replacement: Row, blockAfter: (block: number) => Block | undefined): Edit[] {
  const { block, offset } = replaced;
  const from = replaced.texts;
  const to = replacement.texts;
  // Before the first block there is no text to split or to join with.
  if (block < 0 && from.length !== to.length) {
    const blocks = to.slice(1).map((_, i) => blockAfter(i)).filter((after) => after !== undefined);
    return [{ op: "blocks", from: 0, count: from.length - 1, blocks }];
  }
  let kept = 0;
  const fewer = Math.min(from.length, to.length) - 1;
  if (from.length !== to.length) while (kept < fewer && sameRuns(from.at(-1 - kept) ?? [], to.at(-1 - kept) ?? [])) kept++;
  const pairs = fewer - kept;

  const edits: Edit[] = [];
  for (let i = from.length - 1 - kept; i > pairs; i--) {
    const text = from[i] ?? [];
    edits.push(...replaceText(block + i, 0, text, 0, lengthOf(text), []), { op: "join", block: block + i });
  }
  const start = (i: number) => (i === 0 ? offset : 0);
  const pair = (i: number) => edits.push(...difference(block + i, start(i), from[i] ?? [], to[i] ?? []));
  pair(pairs);
  let end = start(pairs) + lengthOf(to[pairs] ?? []);
  for (let i = pairs + 1; i < to.length - kept; i++) {
    const text = to[i] ?? [];
    const after = blockAfter(replacement.block + i);
    if (after !== undefined) edits.push({ op: "split", block: block + i - 1, offset: end, shape: after.shape });
    edits.push(...replaceText(block + i, 0, [], 0, 0, text));
    end = lengthOf(text);
  }
  for (let i = pairs - 1; i >= 0; i--) pair(i);
  return edits;
}

/** The smallest replacement that makes one text of another. */
function difference(block: number, start: number, from: Run[], to: Run[]): Edit[] {
  if (sameRuns(from, to)) return [];
  const shorter = Math.min(lengthOf(from), lengthOf(to));
  const prefix = commonPrefix(from, to);
  let suffix = 0;
  const at = (runs: Run[], back: number) => cut(runs, lengthOf(runs) - back, lengthOf(runs) - back + 1);
  while (suffix < shorter - prefix && sameRuns(at(from, suffix + 1), at(to, suffix + 1))) suffix++;
  return replaceText(block, start, from, prefix, lengthOf(from) - suffix, cut(to, prefix, lengthOf(to) - suffix));
}

function commonPrefix(a: Run[], b: Run[]): number {
  const shorter = Math.min(lengthOf(a), lengthOf(b));
  let prefix = 0;
  while (prefix < shorter && sameRuns(cut(a, prefix, prefix + 1), cut(b, prefix, prefix + 1))) prefix++;
  return prefix;
}

/** The children of the document that a step changed: untouched ones stay the same objects. */
export function changedChildren(before: Node, after: Node): { from: number; beforeTo: number; afterTo: number } {
  const shorter = Math.min(before.childCount, after.childCount);
  let from = 0;
  while (from < shorter && before.child(from) === after.child(from)) from++;
  let same = 0;
  while (same < shorter - from && before.child(before.childCount - 1 - same) === after.child(after.childCount - 1 - same)) same++;
  return { from, beforeTo: before.childCount - same, afterTo: after.childCount - same };
}

/** The position before a child of the document. */
export function childStart(doc: Node, index: number): number {
  let position = 0;
  for (let i = 0; i < index; i++) position += doc.child(i).nodeSize;
  return position;
}

/** The same edit, stated for a list of blocks that begins elsewhere. */
export function shifted(edit: Edit, by: number): Edit {
  return edit.op === "blocks" ? { ...edit, from: edit.from + by } : { ...edit, block: edit.block + by };
}

function attempt<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
