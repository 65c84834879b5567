import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { EditorState, TextSelection } from "prosemirror-state";
import { documentOf, flatten } from "../src/blocks.ts";
import { commandNamed } from "../src/commands.ts";
import { placeOf, pointOf, positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Edit } from "../src/types.ts";
import { applyToUnits, blocksOf, random, randomBlocks, randomEdit, type Unit, unitsOf } from "./random.ts";

const shape = (type: string, parents: string[] = []) => ({ type, parents, attrs: {}, isEmbed: false });

function paragraphs(...texts: string[]): Block[] {
  return texts.map((text) => ({ shape: shape("paragraph"), runs: text === "" ? [] : [{ text, marks: {} }] }));
}

function stateOf(blocks: Block[], block = 0, offset = 0): EditorState {
  const state = EditorState.create({ doc: documentOf(blocks), plugins: [history()] });
  return state.apply(state.tr.setSelection(TextSelection.create(state.doc, positionOf(state.doc, { block, offset }))));
}

function texts(state: EditorState): string[] {
  return flatten(state.doc.content).map((block) => block.runs.map((run) => run.text).join(""));
}

test("any edits lead to the tree their blocks are built as", () => {
  for (let seed = 0; seed < 1500; seed++) {
    const r = random(seed);
    const hostile = seed % 2 > 0;
    let blocks = randomBlocks(r, hostile);
    let state = stateOf(blocks);
    for (let turn = 0; turn < 6; turn++) {
      const units = unitsOf(blocks);
      const edits = Array.from({ length: 1 + r.below(3) }, () => {
        const edit = randomEdit(r, blocksOf(units), hostile);
        applyToUnits(units, edit);
        return edit;
      });
      blocks = blocksOf(units);
      state = state.apply(remoteTransaction(state, edits));
      assert(state.doc.eq(documentOf(blocks)), `seed ${seed}: ${JSON.stringify(edits)}\n${state.doc}\n${documentOf(blocks)}`);
    }
  }
});

test("the caret stays on its letter through splits, joins and shapes anywhere", () => {
  for (let seed = 0; seed < 1500; seed++) {
    const r = random(seed);
    const blocks = randomBlocks(r, false);
    let units: Unit[] = unitsOf(blocks);
    const letters = units.filter((unit) => "letter" in unit);
    if (letters.length === 0) continue;
    const letter = r.pick(letters);
    const place = (): [number, number] => {
      const index = units.indexOf(letter);
      const start = units.findLastIndex((unit, i) => i < index && "shape" in unit);
      return [units.slice(0, start).filter((unit) => "shape" in unit).length, index - start];
    };
    // The caret is after its letter.
    let state = stateOf(blocks, ...place());
    for (let turn = 0; turn < 5; turn++) {
      const edit = randomEdit(r, blocksOf(units), false);
      if (edit.op === "blocks" || edit.op === "mark") continue;
      const old = [...units];
      applyToUnits(units, edit);
      if (!units.includes(letter)) {
        units = old;
        continue;
      }
      state = state.apply(remoteTransaction(state, [edit]));
      const [block, offset] = place();
      assert.deepEqual(pointOf(state.doc, state.selection.head), { block, offset }, `seed ${seed}: ${JSON.stringify(edit)}`);
    }
  }
});

test("blocks that come back the same keep the caret", () => {
  const blocks = paragraphs("one", "two", "three");
  for (const edit of [
    { op: "blocks", from: 0, count: 3, blocks: paragraphs("new", "one", "two", "three") },
    { op: "blocks", from: 0, count: 3, blocks: paragraphs("one!", "two", "3") },
    { op: "blocks", from: 0, count: 3, blocks: paragraphs("two", "three").map((block) => ({ ...block, shape: shape("ordered-list-item") })) },
  ] satisfies Edit[]) {
    const state = stateOf(blocks, 1, 2);
    const after = state.apply(remoteTransaction(state, [edit]));
    const { block, offset } = pointOf(after.doc, after.selection.head);
    assert.equal(texts(after)[block], "two");
    assert.equal(offset, 2);
  }
});

test("letters that others insert at the caret come after it", () => {
  const state = stateOf(paragraphs("ab"), 0, 1);
  const after = state.apply(remoteTransaction(state, [{ op: "text", block: 0, offset: 1, delete: 0, insert: [{ text: "X", marks: {} }] }]));
  assert.deepEqual(pointOf(after.doc, after.selection.head), { block: 0, offset: 1 });
});

test("undo takes back one's own words only, wherever others moved them", () => {
  let state = stateOf(paragraphs("start", "end"), 0, 5);
  state = state.apply(state.tr.insertText(" mine"));
  for (const edit of [
    { op: "text", block: 0, offset: 0, delete: 0, insert: [{ text: "theirs ", marks: {} }] },
    { op: "shape", block: 0, shape: shape("unordered-list-item") },
    { op: "split", block: 0, offset: 7, shape: shape("unordered-list-item") },
    { op: "join", block: 2 },
    { op: "text", block: 1, offset: 13, delete: 0, insert: [{ text: " and theirs", marks: {} }] },
  ] satisfies Edit[]) {
    state = state.apply(remoteTransaction(state, [edit]));
  }
  assert.deepEqual(texts(state), ["theirs ", "start mineend and theirs"]);
  assert(undo(state, (tr) => (state = state.apply(tr))));
  assert.deepEqual(texts(state), ["theirs ", "startend and theirs"]);
  assert.equal(undo(state), false);
});

test("undo of a list keeps what others wrote in it", () => {
  let state = stateOf(paragraphs("one", "two"), 0, 1);
  assert(commandNamed("bulleted")?.(state, (tr) => (state = state.apply(tr))));
  state = state.apply(remoteTransaction(state, [{ op: "text", block: 0, offset: 3, delete: 0, insert: [{ text: " theirs", marks: {} }] }]));
  assert(undo(state, (tr) => (state = state.apply(tr))));
  assert.deepEqual(flatten(state.doc.content), paragraphs("one theirs", "two"));
});

test("a pending bold stays pending", () => {
  let state = stateOf(paragraphs("one"), 0, 3);
  assert(commandNamed("strong")?.(state, (tr) => (state = state.apply(tr))));
  state = state.apply(remoteTransaction(state, [{ op: "split", block: 0, offset: 1, shape: shape("paragraph") }]));
  state = state.apply(state.tr.insertText("!"));
  assert.deepEqual(flatten(state.doc.content)[1]?.runs, [
    { text: "ne", marks: {} },
    { text: "!", marks: { strong: true } },
  ]);
});

test("an edit for a block that does not exist is refused whole", () => {
  const state = stateOf(paragraphs("one"));
  for (const edit of [
    { op: "text", block: 1, offset: 0, delete: 0, insert: [] },
    { op: "join", block: 0 },
    { op: "split", block: 4, offset: 0, shape: shape("paragraph") },
    { op: "blocks", from: 0, count: 2, blocks: [] },
    { op: "blocks", from: 2, count: 0, blocks: paragraphs("x") },
  ] satisfies Edit[]) {
    assert.throws(() => remoteTransaction(state, [edit]), RangeError, JSON.stringify(edit));
  }
  assert.equal(placeOf(state.doc, 0).node.textContent, "one");
});
