import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { documentOf } from "../src/blocks.ts";
import { mayFollow, readAloud, withReading } from "../src/reading.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block } from "../src/types.ts";

const block = (text: string): Block => ({
  shape: { type: "paragraph", parents: [], attrs: {}, isEmbed: false },
  runs: [{ text, marks: {} }],
});

test("what is read aloud is followed until the person goes on in the text", () => {
  let state = EditorState.create({ doc: documentOf([block("One"), block("Two")]), plugins: [readAloud()] });
  const apply = (tr: Transaction) => (state = state.apply(tr));
  // Before reading nothing counts.
  apply(state.tr.insertText("Number ", 1));
  apply(withReading(state.tr, 0));
  assert(mayFollow(state, true));
  // What others do neither.
  apply(remoteTransaction(state, [{ op: "text", block: 0, offset: 0, delete: 0, insert: [{ text: "The ", marks: {} }] }]));
  apply(withReading(state.tr, 1));
  assert(mayFollow(state, true));
  apply(state.tr.setSelection(TextSelection.create(state.doc, 3)));
  apply(withReading(state.tr, 0));
  assert(!mayFollow(state, true));
  assert(mayFollow(state, false), "the focus is elsewhere");
  // Reading that begins anew is followed again.
  apply(withReading(state.tr, null));
  apply(withReading(state.tr, 1));
  assert(mayFollow(state, true));
});
