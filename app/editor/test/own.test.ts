import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { EditorState } from "prosemirror-state";
import { afterEdit, documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { editsOf } from "../src/edits.ts";
import { ownTransaction } from "../src/own.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Edit } from "../src/types.ts";

const block = (type: string, text: string, parents: string[] = []): Block => ({
  shape: { type, parents, attrs: {}, isEmbed: false },
  runs: text === "" ? [] : [{ text, marks: {} }],
});
const stateOf = (blocks: Block[]) => EditorState.create({ doc: documentOf(blocks), plugins: [history(), canonicalForm()] });

const behind: Edit = {
  op: "blocks",
  from: 2,
  count: 0,
  blocks: [block("unordered-list-item", "three"), block("heading", "four"), block("table-row", "five"), block("table-cell", "six", ["table-row"])],
};

test("what is put behind a page is reported, and is one step to undo", () => {
  const before = [block("paragraph", "one"), block("unordered-list-item", "two")];
  const state = stateOf(before);
  const { state: after, transactions } = state.applyTransaction(ownTransaction(state, [behind]));
  const expected = [...before, ...behind.blocks];
  assert.deepEqual(flatten(after.doc.content), expected);
  assert.deepEqual(transactions.flatMap(editsOf).reduce(afterEdit, before), expected);

  // What somebody else writes meanwhile stays.
  const text: Edit = { op: "text", block: 1, offset: 3, delete: 0, insert: [{ text: "!", marks: {} }] };
  let now = after.apply(remoteTransaction(after, [text]));
  undo(now, (tr) => (now = now.apply(tr)));
  assert.deepEqual(flatten(now.doc.content), [block("paragraph", "one"), block("unordered-list-item", "two!")]);
});

test("an empty page becomes what is put there", () => {
  const state = stateOf([block("paragraph", "")]);
  const edit: Edit = { ...behind, from: 0, count: 1 };
  const { state: after, transactions } = state.applyTransaction(ownTransaction(state, [edit]));
  assert.deepEqual(flatten(after.doc.content), behind.blocks);
  assert.deepEqual(transactions.flatMap(editsOf).reduce(afterEdit, [block("paragraph", "")]), behind.blocks);
});
