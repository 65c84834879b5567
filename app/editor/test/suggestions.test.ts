import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { EditorState, type Plugin, TextSelection, type Transaction } from "prosemirror-state";
import type { DecorationSet } from "prosemirror-view";
import { documentOf, flatten } from "../src/blocks.ts";
import { formattingOf } from "../src/commands.ts";
import { editsOf } from "../src/edits.ts";
import { ownTransaction } from "../src/own.ts";
import { positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import { rangeToChange, suggestedIn, suggestions, toInsertion, withSuggested } from "../src/suggestions.ts";
import type { Block, Marks, Run, Suggested } from "../src/types.ts";

const on: Marks = { "comment:a": true };
const suggested: Suggested[] = [{ thread: "a", proposes: "2", at: null, color: 3, by: "Amina suggests" }];

function paragraph(...runs: Run[]): Block {
  return { shape: { type: "paragraph", parents: [], attrs: {}, isEmbed: false }, runs };
}

function run(text: string, marks: Marks = {}): Run {
  return { text, marks };
}

function stateOf(...blocks: Block[]): EditorState {
  return EditorState.create({ doc: documentOf(blocks), plugins: [history({ newGroupDelay: -1 }), suggestions() as Plugin] });
}

function select(state: EditorState, from: [number, number], to = from): EditorState {
  const at = ([block, offset]: [number, number]) => positionOf(state.doc, { block, offset });
  return state.apply(state.tr.setSelection(TextSelection.create(state.doc, at(from), at(to))));
}

/** Where proposals are drawn, as offsets into the first block. */
function drawn(state: EditorState): number[] {
  const plugin = state.plugins.find((other) => other.getState(state) !== undefined && "decorations" in other.props && other.props.decorations);
  const shown = plugin?.props.decorations?.call(plugin, state) as DecorationSet;
  return shown.find().map(({ from }) => from - 1);
}

/** The text that can be changed from here. */
function changed(state: EditorState): string | null {
  const range = rangeToChange(state);
  assert(range === null || formattingOf(state).changeable);
  return range && state.doc.textBetween(range.from, range.to);
}

test("what is proposed stands behind its text, and in no document", () => {
  const before = stateOf(paragraph(run("one "), run("two", on), run(" three")));
  const state = before.apply(withSuggested(before.tr, suggested));
  assert.deepEqual(drawn(state), [7]);
  assert(state.doc.eq(before.doc));
  assert.deepEqual(suggestedIn(state), suggested);
  const none = state.apply(withSuggested(state.tr, []));
  assert.deepEqual(drawn(none), []);
  const deletion = state.apply(withSuggested(state.tr, [{ thread: "a", proposes: "", at: null, color: 3, by: "" }]));
  assert.deepEqual(drawn(deletion), []);
});

test("it goes with its text, whoever writes around it, and away with it", () => {
  let state = stateOf(paragraph(run("one "), run("two", on), run(" three")));
  const step = (tr: Transaction) => void (state = state.apply(tr));
  step(withSuggested(state.tr, suggested));
  step(state.tr.insertText("Now: ", 1));
  assert.deepEqual(drawn(state), [12]);
  // Right behind it, and in it.
  step(remoteTransaction(state, [{ op: "text", block: 0, offset: 12, delete: 0, insert: [run("X")] }]));
  assert.deepEqual(drawn(state), [12]);
  step(remoteTransaction(state, [{ op: "text", block: 0, offset: 11, delete: 0, insert: [run("Y", on)] }]));
  assert.deepEqual(drawn(state), [13]);
  step(state.tr.delete(1 + 9, 1 + 13));
  assert.deepEqual(drawn(state), []);
  assert(undo(state, step));
  assert.deepEqual(drawn(state), [13]);
});

test("a change can be suggested for what is selected in one block, or for a word", () => {
  const state = stateOf(paragraph(run("one, "), run("two", { strong: true }), run("ish  three")), paragraph(run("l’été"), run("  ")));
  assert.equal(changed(select(state, [0, 2], [0, 7])), "e, tw");
  assert.equal(changed(select(state, [0, 9])), "twoish");
  assert.equal(changed(select(state, [0, 5])), "twoish");
  assert.equal(changed(select(state, [0, 3])), "one");
  assert.equal(changed(select(state, [0, 2], [1, 2])), null);
  assert.equal(changed(select(state, [1, 3])), "l’été");
  assert.equal(formattingOf(select(state, [0, 2], [1, 2])).changeable, false);
});

test("where there is no word, something can be suggested at the caret", () => {
  const state = stateOf(paragraph(run("one, "), run("ish  three")), paragraph(), paragraph(run("   ")));
  for (const [place, from] of [[[0, 9], 10], [[1, 0], 18], [[2, 1], 21]] as [[number, number], number][]) {
    const at = select(state, place);
    assert.deepEqual(rangeToChange(at), { from, to: from });
    assert.equal(formattingOf(at).changeable, true);
  }
  assert.equal(changed(select(state, [2, 0], [2, 2])), "  ");
});

test("what replaces no text stands behind what was before it, whoever writes around it, and leads to its thread", () => {
  const inserted: Suggested[] = [{ thread: "a", proposes: "and ", at: { block: 0, offset: 4 }, color: 3, by: "Amina suggests" }];
  let state = stateOf(paragraph(run("one two")), paragraph());
  const step = (tr: Transaction) => void (state = state.apply(tr));
  step(withSuggested(state.tr, inserted));
  assert.deepEqual(drawn(state), [4]);
  step(state.tr.insertText("Now: ", 1));
  assert.deepEqual(drawn(state), [9]);
  assert.deepEqual(suggestedIn(state)[0]?.at, { block: 0, offset: 9 });
  // At the place itself, by this person and by others.
  step(state.tr.insertText("X", 1 + 9));
  step(remoteTransaction(state, [{ op: "text", block: 0, offset: 9, delete: 0, insert: [run("Y")] }]));
  assert.deepEqual(drawn(state), [9]);
  assert.deepEqual(formattingOf(select(state, [0, 9])).threads, ["a"]);
  assert.deepEqual(formattingOf(select(state, [0, 10])).threads, []);
  const there = toInsertion(state, "a");
  assert.equal(there?.selection.head, 10);
  assert.equal(toInsertion(state, "b"), null);
  // In a block that is empty, and in one that is gone.
  step(withSuggested(state.tr, [{ ...inserted[0] as Suggested, at: { block: 1, offset: 0 } }]));
  assert.deepEqual(suggestedIn(state)[0]?.at, { block: 1, offset: 0 });
  step(remoteTransaction(state, [{ op: "blocks", from: 0, count: 2, blocks: [paragraph(run("x"))] }]));
  assert(suggestedIn(state).every(({ at }) => at !== null));
  step(withSuggested(state.tr, []));
  assert.deepEqual(drawn(state), []);
});

test("what is accepted is one step to undo, and the text comes back with its thread", () => {
  let state = stateOf(paragraph(run("one "), run("two", on), run(" three")));
  const told: unknown[] = [];
  const step = (tr: Transaction) => {
    told.push(...editsOf(tr));
    state = state.apply(tr);
  };
  step(state.tr.insertText("!", 1 + 13));
  const accepted = { op: "text", block: 0, offset: 4, delete: 3, insert: [run("2", on)] } as const;
  step(ownTransaction(state, [{ ...accepted, insert: [...accepted.insert] }]));
  assert.deepEqual(told.at(-1), accepted);
  assert.deepEqual(flatten(state.doc.content), [paragraph(run("one "), run("2", on), run(" three!"))]);
  assert(undo(state, step));
  assert.deepEqual(flatten(state.doc.content), [paragraph(run("one "), run("two", on), run(" three!"))]);
});
