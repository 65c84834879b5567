import assert from "node:assert/strict";
import { test } from "node:test";
import { history, redo, undo } from "prosemirror-history";
import { Slice } from "prosemirror-model";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { afterEdit, documentOf, flatten } from "../src/blocks.ts";
import { threadsAt, toThread, withoutComments } from "../src/comments.ts";
import { commandNamed } from "../src/commands.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { enter } from "../src/keyboard.ts";
import { movedComments } from "../src/moved.ts";
import { positionOf } from "../src/points.ts";
import { remoteMeta, remoteTransaction } from "../src/remote.ts";
import type { Block, Edit, Marks } from "../src/types.ts";

const on: Marks = { "comment:a": true };
const both: Marks = { "comment:a": true, "comment:b": true };

function page(...runs: [string, Marks?][]): Block[] {
  return [{ shape: { type: "paragraph", parents: [], attrs: {}, isEmbed: false }, runs: runs.map(([text, marks = {}]) => ({ text, marks })) }];
}

/** An editor, and the blocks that Rust holds by what it was told. */
class Desk {
  state: EditorState;
  blocks: Block[];

  constructor(blocks: Block[]) {
    this.blocks = blocks;
    this.state = EditorState.create({ doc: documentOf(blocks), plugins: [history({ newGroupDelay: -1 }), movedComments()] });
  }

  dispatch = (tr: Transaction): void => {
    const { state, transactions } = this.state.applyTransaction(tr);
    for (const edit of transactions.filter((part) => !part.getMeta(remoteMeta)).flatMap(editsOf)) this.blocks = afterEdit(this.blocks, edit);
    this.state = state;
    assert.deepEqual(flatten(this.state.doc.content), this.blocks);
  };

  remote(...edits: Edit[]): void {
    for (const edit of edits) this.blocks = afterEdit(this.blocks, edit);
    this.dispatch(remoteTransaction(this.state, edits));
  }

  run(command: Command): boolean {
    return command(this.state, this.dispatch);
  }

  select(from: number, to = from, block = 0): void {
    const at = (offset: number) => positionOf(this.state.doc, { block, offset });
    this.dispatch(this.state.tr.setSelection(TextSelection.create(this.state.doc, at(from), at(to))));
  }

  type(text: string): void {
    this.dispatch(this.state.tr.insertText(text));
  }

  comment(thread: string, from: number, to: number, value: true | null = true): void {
    this.remote({ op: "mark", block: 0, from, to, name: `comment:${thread}`, value });
  }
}

test("what is typed at the edges of commented text is not part of it, what is typed inside is", () => {
  const desk = new Desk(page(["one "], ["two", on], [" three"]));
  for (const [offset, text] of [[7, "X"], [4, "Y"], [6, "Z"]] as const) {
    desk.select(offset);
    desk.type(text);
  }
  assert.deepEqual(desk.blocks, page(["one Y"], ["tZwo", on], ["X three"]));
  const whole = new Desk(page(["two", on]));
  whole.select(0);
  whole.type("Y");
  whole.select(4);
  whole.type("X");
  assert.deepEqual(whole.blocks, page(["Y"], ["two", on], ["X"]));
});

test("threads about the same text are shown in one order, whichever came first", () => {
  for (const order of ["ab", "ba"]) {
    const desk = new Desk(page(["one two three"]));
    for (const thread of order) desk.comment(thread, thread === "a" ? 0 : 4, thread === "a" ? 7 : 13);
    assert.deepEqual(desk.blocks, page(["one ", on], ["two", both], [" three", { "comment:b": true }]));
    assert(desk.state.doc.eq(documentOf(desk.blocks)));
    desk.comment("b", 4, 13, null);
    assert.deepEqual(desk.blocks, page(["one two", on], [" three"]));
  }
});

test("a comment is not undone, and comes back with the text that was deleted", () => {
  const desk = new Desk(page(["one two"]));
  desk.select(7);
  desk.type(" three");
  desk.comment("a", 4, 7);
  desk.select(4, 7);
  desk.dispatch(desk.state.tr.deleteSelection());
  assert.deepEqual(desk.blocks, page(["one  three"]));
  assert(desk.run(undo));
  assert.deepEqual(desk.blocks, page(["one "], ["two", on], [" three"]));
  assert(desk.run(undo));
  assert.deepEqual(desk.blocks, page(["one "], ["two", on]));
  assert.equal(desk.run(undo), false);
  assert(desk.run(redo) && desk.run(redo) && desk.run(undo));
  assert.deepEqual(desk.blocks, page(["one "], ["two", on], [" three"]));
});

test("text that was typed before somebody commented on it goes by undo and comes back with the comment by redo", () => {
  const desk = new Desk(page(["one"]));
  desk.select(3);
  desk.type(" two");
  desk.comment("a", 4, 7);
  assert(desk.run(undo));
  assert.deepEqual(desk.blocks, page(["one"]));
  assert(desk.run(redo));
  assert.deepEqual(desk.blocks, page(["one "], ["two", on]));
});

test("carets in the text stay when somebody comments on it", () => {
  const desk = new Desk(page(["one two three"]));
  desk.select(5);
  desk.comment("b", 4, 13);
  desk.comment("a", 0, 7);
  assert.equal(desk.state.selection.head, positionOf(desk.state.doc, { block: 0, offset: 5 }));
  assert.deepEqual(threadsAt(desk.state), ["a", "b"]);
  desk.select(13);
  assert.deepEqual(threadsAt(desk.state), ["b"]);
  const tr = toThread(desk.state, "b");
  assert(tr !== null);
  desk.dispatch(tr);
  assert.equal(desk.state.selection.head, positionOf(desk.state.doc, { block: 0, offset: 4 }));
  assert.equal(toThread(desk.state, "c"), null);
});

test("formatting, lists and new lines keep comments, and none of it replaces blocks", () => {
  const before = replacements;
  const desk = new Desk(page(["one "], ["two", on], [" three"]));
  desk.select(0, 13);
  for (const name of ["strong", "bulleted", "quote"]) assert(desk.run(commandNamed(name) as Command));
  desk.select(5);
  assert(desk.run(enter));
  const texts = desk.blocks.map(({ runs }) => runs.map(({ text, marks }) => [text, "comment:a" in marks]));
  assert.deepEqual(texts, [[["one ", false], ["t", true]], [["wo", true], [" three", false]]]);
  assert.equal(replacements, before);
});

test("what is copied takes no comment along", () => {
  const desk = new Desk(page(["one "], ["two", { ...both, strong: true }], [" three"]));
  const copied = withoutComments(desk.state.doc.slice(2, 12, true));
  assert.deepEqual(flatten(copied.content)[0]?.runs, [{ text: "ne ", marks: {} }, { text: "two", marks: { strong: true } }, { text: " thr", marks: {} }]);
});

/** As the view cuts: what the clipboard holds has no comments. */
function cut(desk: Desk): Slice {
  const clipboard = withoutComments(desk.state.selection.content());
  desk.dispatch(desk.state.tr.deleteSelection().setMeta("uiEvent", "cut"));
  return clipboard;
}

function paste(desk: Desk, clipboard: Slice): void {
  desk.dispatch(desk.state.tr.replaceSelection(clipboard).setMeta("uiEvent", "paste"));
}

test("text that is cut and pasted keeps its comments, once", () => {
  const desk = new Desk(page(["one "], ["two", { ...both, strong: true }], [" three "], ["four", on], [" five"]));
  desk.select(0, 19);
  const clipboard = cut(desk);
  assert.deepEqual(desk.blocks, page(["five"]));
  desk.select(4);
  paste(desk, clipboard);
  const kept = page(["fiveone "], ["two", { ...both, strong: true }], [" three "], ["four", on], [" "]);
  assert.deepEqual(desk.blocks, kept);
  paste(desk, clipboard);
  assert.deepEqual(desk.blocks[0]?.runs.slice(5), [{ text: "two", marks: { strong: true } }, { text: " three four ", marks: {} }]);
  assert(desk.run(undo));
  assert.deepEqual(desk.blocks, kept);
  // Pasting is one step to undo.
  assert(desk.run(undo));
  assert.deepEqual(desk.blocks, page(["five"]));
  assert(desk.run(redo));
  assert.deepEqual(desk.blocks, kept);
});

test("comments on several blocks go along with them", () => {
  const desk = new Desk([...page(["one "], ["two", on]), ...page(["three", on], [" four"]), ...page(["end"])]);
  const at = (block: number, offset: number) => positionOf(desk.state.doc, { block, offset });
  desk.dispatch(desk.state.tr.setSelection(TextSelection.create(desk.state.doc, at(0, 2), at(1, 7))));
  const clipboard = cut(desk);
  assert.deepEqual(desk.blocks, [...page(["onour"]), ...page(["end"])]);
  desk.select(3, 3, 1);
  paste(desk, clipboard);
  assert.deepEqual(desk.blocks, [...page(["onour"]), ...page(["ende "], ["two", on]), ...page(["three", on], [" f"])]);
});

test("a comment stays with the text that it still has, and does not come to other text", () => {
  // Part of what it is about was cut.
  const part = new Desk(page(["one "], ["two three", on]));
  part.select(4, 8);
  const two = cut(part);
  part.select(0);
  paste(part, two);
  assert.deepEqual(part.blocks, page(["two one "], ["three", on]));
  // The cut was taken back.
  const back = new Desk(page(["one "], ["two", on]));
  back.select(4, 7);
  const cutText = cut(back);
  assert(back.run(undo));
  back.select(0);
  paste(back, cutText);
  assert.deepEqual(back.blocks, page(["twoone "], ["two", on]));
  // Something else was copied meanwhile.
  const other = new Desk(page(["one "], ["two", on]));
  other.select(4, 7);
  cut(other);
  paste(other, new Slice(documentOf(page(["tow"])).content, 1, 1));
  assert.deepEqual(other.blocks, page(["one tow"]));
  // What was only deleted comes back by undo, not by pasting what looks like it.
  const deleted = new Desk(page(["one "], ["two", on]));
  deleted.select(4, 7);
  deleted.dispatch(deleted.state.tr.deleteSelection());
  paste(deleted, new Slice(documentOf(page(["two"])).content, 1, 1));
  assert.deepEqual(deleted.blocks, page(["one two"]));
});

test("text that is dragged elsewhere keeps its comments, and what is copied so takes none", () => {
  for (const moves of [true, false]) {
    const desk = new Desk(page(["one "], ["two", on], [" three"]));
    desk.select(4, 7);
    const dragged = withoutComments(desk.state.selection.content());
    const tr = desk.state.tr;
    const to = positionOf(desk.state.doc, { block: 0, offset: 13 });
    if (moves) tr.deleteSelection();
    const at = tr.mapping.map(to);
    tr.replaceRange(at, at, dragged);
    desk.dispatch(tr.setMeta("uiEvent", "drop"));
    assert.deepEqual(desk.blocks, moves ? page(["one  three"], ["two", on]) : page(["one "], ["two", on], [" threetwo"]));
  }
});

test("text that somebody else wrote meanwhile does not change where its comments go", () => {
  const desk = new Desk(page(["one "], ["two", on], [" three"]));
  desk.select(4, 7);
  const clipboard = cut(desk);
  desk.remote({ op: "text", block: 0, offset: 0, delete: 0, insert: [{ text: "theirs ", marks: {} }] });
  desk.select(7);
  paste(desk, clipboard);
  assert.deepEqual(desk.blocks, page(["theirs "], ["two", on], ["one  three"]));
});
