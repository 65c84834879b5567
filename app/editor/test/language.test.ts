import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { baseKeymap, chainCommands } from "prosemirror-commands";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { afterEdit, documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { commandNamed, formattingOf } from "../src/commands.ts";
import { editsOf } from "../src/edits.ts";
import { backspace, enter } from "../src/keyboard.ts";
import { positionOf } from "../src/points.ts";
import { remoteMeta, remoteTransaction } from "../src/remote.ts";
import { schema } from "../src/schema.ts";
import type { Block, Edit, Shape } from "../src/types.ts";

const block = (text: string, type = "paragraph", attrs: Shape["attrs"] = {}, parents: string[] = []): Block => ({
  shape: { type, parents, attrs, isEmbed: false },
  runs: text === "" ? [] : [{ text, marks: {} }],
});

/** An editor, what it reported, and the blocks that Rust holds by that. */
class Desk {
  edits: Edit[] = [];
  blocks: Block[];
  state: EditorState;

  constructor(...blocks: Block[]) {
    this.blocks = blocks;
    this.state = EditorState.create({ doc: documentOf(blocks), plugins: [history({ newGroupDelay: -1 }), canonicalForm()] });
  }

  dispatch = (tr: Transaction): void => {
    const { state, transactions } = this.state.applyTransaction(tr);
    const edits = transactions.filter((part) => !part.getMeta(remoteMeta)).flatMap(editsOf);
    this.blocks = edits.reduce(afterEdit, this.blocks);
    this.edits.push(...edits);
    this.state = state;
    assert.deepEqual(flatten(state.doc.content), this.blocks);
    assert(state.doc.eq(documentOf(this.blocks)));
  };

  select(from: [number, number], to = from): this {
    const at = ([block, offset]: [number, number]) => positionOf(this.state.doc, { block, offset });
    this.dispatch(this.state.tr.setSelection(TextSelection.create(this.state.doc, at(from), at(to))));
    return this;
  }

  run(command: Command | null): this {
    assert(command?.(this.state, this.dispatch), "the command applies");
    return this;
  }

  say(tag: string): this {
    return this.run(commandNamed("language", tag));
  }

  get languages(): (string | null)[] {
    return this.blocks.map(({ shape }) => (shape.attrs.lang as string | undefined) ?? null);
  }
}

test("the selected blocks say their language, and nothing else about them is reported", () => {
  const table = [block("a", "table-row", { header: true }), block("b", "table-cell", {}, ["table-row"])];
  const desk = new Desk(block("one"), block("two", "heading", { level: 2 }), block("three", "unordered-list-item", { checked: true }), ...table, block("odd", "picture", { id: 7 }), block("last"));
  desk.select([0, 1], [5, 1]).say("sw");
  assert.deepEqual(desk.languages, ["sw", "sw", "sw", "sw", "sw", "sw", null]);
  assert.deepEqual(desk.edits.map(({ op }) => op), Array(6).fill("shape"));
  assert.deepEqual(desk.blocks[2]?.shape.attrs, { checked: true, lang: "sw" });
  assert.deepEqual(desk.blocks[5]?.shape, { type: "picture", parents: [], attrs: { id: 7, lang: "sw" }, isEmbed: false });
  assert.equal(formattingOf(desk.state).language, "sw");
  desk.run(undo);
  assert.deepEqual(desk.languages, Array(7).fill(null));
  assert.equal(formattingOf(desk.state).language, null);
});

test("a tag is kept in its usual form, and what is none changes nothing", () => {
  const desk = new Desk(block("one")).say("PT-br");
  assert.deepEqual(desk.languages, ["pt-BR"]);
  for (const tag of ["pt-BR", "english", "e", "12", "en_GB", "en--GB", "\"><b>", " "]) {
    assert.equal(commandNamed("language", tag)?.(desk.state), false, tag);
  }
  assert.deepEqual(desk.say("").blocks, [block("one")]);
  assert.equal(commandNamed("language", "")?.(desk.state), false);
});

test("what another program says that is no tag is kept, and shown as nothing", () => {
  for (const lang of ["not a tag", "", 7, null, true]) {
    const desk = new Desk(block("one", "paragraph", { lang }));
    const [, shown] = schema.nodes.paragraph.spec.toDOM?.(desk.state.doc.child(0)) as unknown as [string, object];
    assert.deepEqual(shown, { dir: "auto" });
    assert.equal(formattingOf(desk.state).language, null);
    assert.deepEqual(desk.select([0, 3]).run(enter).blocks[0]?.shape.attrs, { lang });
  }
});

test("each kind of block shows its language", () => {
  const attrs = { lang: "sw" };
  const blocks = [block("one", "paragraph", attrs), block("two", "heading", { ...attrs, level: 1 }), block("three", "code-block", attrs), block("four", "divider", attrs), block("five", "picture", attrs)];
  documentOf(blocks).forEach((node) => {
    const [, shown] = node.type.spec.toDOM?.(node) as unknown as [string, { lang?: string }];
    assert.equal(shown.lang, "sw", node.type.name);
  });
});

test("both halves of a block are in its language, and so is what begins behind it", () => {
  for (const [type, attrs] of [["paragraph", {}], ["heading", { level: 1 }], ["unordered-list-item", { checked: true }], ["divider", {}]] as const) {
    for (const offset of [2, 4]) {
      const desk = new Desk(block("four", type, { ...attrs, lang: "sw" })).select([0, offset]).run(enter);
      assert.deepEqual(desk.languages, ["sw", "sw"], `${type} ${offset}`);
      assert.equal(desk.edits.filter(({ op }) => op === "blocks").length, 0);
      assert.deepEqual(desk.run(undo).languages, ["sw"]);
    }
  }
  const code = new Desk(block("let\n", "code-block", { lang: "en" })).select([0, 4]).run(enter);
  assert.deepEqual(code.languages, ["en", "en"]);
});

test("a block that joins another goes on in the language of that", () => {
  const join = chainCommands(backspace, baseKeymap.Backspace as Command);
  const desk = new Desk(block("one", "paragraph", { lang: "sw" }), block("two", "paragraph", { lang: "de" })).select([1, 0]).run(join);
  assert.deepEqual(desk.blocks, [block("onetwo", "paragraph", { lang: "sw" })]);
  // An empty one says nothing of any text.
  const empty = new Desk(block(""), block("two", "paragraph", { lang: "de" })).select([1, 0]).run(join);
  assert.deepEqual(empty.blocks, [block("two", "paragraph", { lang: "de" })]);
});

test("whatever else a block is made, it stays in its language", () => {
  const desk = new Desk(block("one", "paragraph", { lang: "sw" }));
  for (const [name, value] of [["heading", 2], ["code-block"], ["paragraph"], ["bulleted"], ["numbered"], ["check"], ["paragraph"], ["quote"], ["quote"], ["callout"], ["heading", 1], ["bulleted"]] as const) {
    assert.deepEqual(desk.run(commandNamed(name, value)).languages, ["sw"], name);
  }
  const row = [block("a", "table-row", { lang: "sw" }), block("b", "table-cell", { lang: "de" }, ["table-row"])];
  const table = new Desk(...row);
  table.run(commandNamed("header-row")).run(commandNamed("column-before"));
  assert.deepEqual(table.languages, [null, "sw", "de"]);
  table.select([0, 0]).run(commandNamed("delete-column"));
  assert.deepEqual(table.blocks.map(({ shape }) => shape.attrs), [{ header: true, lang: "sw" }, { lang: "de" }]);
});

test("what others say of a block arrives, and undo takes back only what oneself said", () => {
  const desk = new Desk(block("one"), block("two"));
  desk.select([0, 0]).say("sw");
  const remote: Edit[] = [
    { op: "shape", block: 1, shape: block("", "paragraph", { lang: "de" }).shape },
    { op: "text", block: 0, offset: 3, delete: 0, insert: [{ text: "!", marks: {} }] },
  ];
  desk.blocks = remote.reduce(afterEdit, desk.blocks);
  desk.dispatch(remoteTransaction(desk.state, remote));
  assert.deepEqual(desk.run(undo).blocks, [block("one!"), block("two", "paragraph", { lang: "de" })]);
});
