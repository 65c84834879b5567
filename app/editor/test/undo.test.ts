// What undo and redo come to when others write the same page meanwhile: one's own edits go and come back, never those of others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { baseKeymap, chainCommands } from "prosemirror-commands";
import { history, redo, undo } from "prosemirror-history";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { afterEdit, documentOf, flatten, join } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { commandNamed } from "../src/commands.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { backspace, enter } from "../src/keyboard.ts";
import { applied } from "../src/own_step.ts";
import { positionOf } from "../src/points.ts";
import { remoteMeta, remoteTransaction } from "../src/remote.ts";
import { typing } from "../src/typing.ts";
import { undoing } from "../src/undo.ts";
import type { Block, Edit, Marks, MarkValue, Run, Shape } from "../src/types.ts";
import { typed } from "./typed.ts";
import { blocksOf, random, randomBlocks, randomEdit, unitsOf } from "./random.ts";

// A page as one writes it here, block by block: what begins a line says the kind of block, and brackets around text its mark.
const kinds: [string, string, string[], Shape["attrs"]][] = [
  ["# ", "heading", [], { level: 1 }],
  ["- ", "unordered-list-item", [], {}],
  ["1 ", "ordered-list-item", [], {}],
  ["x ", "unordered-list-item", [], { checked: true }],
  ["o ", "unordered-list-item", [], { checked: false }],
  ["> ", "blockquote", [], {}],
  ["| ", "table-row", [], {}],
  ["+ ", "table-cell", ["table-row"], {}],
  ["sw ", "paragraph", [], { lang: "sw" }],
  ["", "paragraph", [], {}],
];
const address = JSON.stringify({ href: "https://example.org", title: "" });
const brackets: [string, string, string, MarkValue][] = [
  ["*", "*", "strong", true],
  ["_", "_", "em", true],
  ["<", ">", "link", address],
  ["[", "]", "comment:a", true],
];

function page(...lines: string[]): Block[] {
  return lines.map((line) => {
    const [sign, type, parents, attrs] = kinds.find(([sign]) => line.startsWith(sign)) as (typeof kinds)[number];
    const runs: Run[] = [];
    const marks = new Map<string, MarkValue>();
    for (const letter of line.slice(sign.length)) {
      const bracket = brackets.find(([opens, closes, name]) => letter === (marks.has(name) ? closes : opens));
      if (bracket === undefined) runs.push({ text: letter, marks: Object.fromEntries(marks) as Marks });
      else if (!marks.delete(bracket[2])) marks.set(bracket[2], bracket[3]);
    }
    return { shape: { type, parents, attrs, isEmbed: false }, runs };
  });
}

/** The same the other way round. */
function written(blocks: Block[]): string[] {
  return blocks.map(({ shape, runs }) => {
    const same = ([, type, parents, attrs]: (typeof kinds)[number]) => JSON.stringify([type, parents, attrs]) === JSON.stringify([shape.type, shape.parents, shape.attrs]);
    let line = kinds.find(same)?.[0] ?? `${JSON.stringify(shape)} `;
    let open: string[] = [];
    const turn = (marks: Marks) => {
      for (const [opens, closes, name] of brackets) {
        if (open.includes(name) !== name in marks) line += name in marks ? opens : closes;
      }
      open = Object.keys(marks);
    };
    for (const { text, marks } of runs) {
      turn(marks);
      line += text;
    }
    turn({});
    return line;
  });
}

/** A place by the text before it: `2:on` is in the third block, behind "on". */
type Place = string;

/** Somebody's editor, and the blocks that the page holds by what it reported and by what others did. */
class Desk {
  state: EditorState;
  blocks: Block[];

  constructor(lines: string[]) {
    this.blocks = flatten(documentOf(page(...lines)).content);
    this.state = EditorState.create({ doc: documentOf(this.blocks), plugins: [typing(), undoing(), history({ newGroupDelay: Number.MAX_SAFE_INTEGER }), canonicalForm()] });
  }

  private dispatch = (tr: Transaction): void => {
    const { state, transactions } = applied(this.state, tr);
    this.blocks = transactions.filter((part) => !part.getMeta(remoteMeta)).flatMap(editsOf).reduce(afterEdit, this.blocks);
    this.state = state;
    state.doc.check();
    assert.deepEqual(flatten(state.doc.content), this.blocks);
  };

  private point(place: Place): { block: number; offset: number } {
    const [, number = "", before = ""] = /^(\d+):(.*)$/s.exec(place) ?? [];
    const text = this.blocks[Number(number)]?.runs.map((run) => run.text).join("") ?? "";
    assert(text.includes(before), `"${before}" in "${text}"`);
    return { block: Number(number), offset: text.indexOf(before) + before.length };
  }

  private run(command: Command | undefined | null): this {
    assert(command?.(this.state, this.dispatch), "the command applies");
    return this;
  }

  select(from: Place, to = from): this {
    const at = (place: Place) => positionOf(this.state.doc, this.point(place));
    this.dispatch(this.state.tr.setSelection(TextSelection.create(this.state.doc, at(from), at(to))));
    return this;
  }

  type(at: Place, text: string): this {
    this.select(at);
    for (const letter of text) typed(this, this.dispatch, letter);
    return this;
  }

  delete(from: Place, to: Place): this {
    return this.select(from, to).run(baseKeymap.Backspace);
  }

  enter(at: Place): this {
    return this.select(at).run(enter);
  }

  join(block: number): this {
    return this.select(`${block}:`).run(chainCommands(backspace, baseKeymap.Backspace as Command));
  }

  command(name: string, value: string | number | undefined, from: Place, to = from): this {
    return this.select(from, to).run(commandNamed(name, value));
  }

  /** A command that need not apply. */
  try(command: Command | null, from: Place, to = from): void {
    this.select(from, to);
    command?.(this.state, this.dispatch);
  }

  /** What comes from others: each edit after the ones before. */
  receive(edits: Edit[]): void {
    this.blocks = edits.reduce(afterEdit, this.blocks);
    this.dispatch(remoteTransaction(this.state, edits));
  }

  turn(command: Command): void {
    command(this.state, this.dispatch);
  }

  get written(): string[] {
    return written(this.blocks);
  }

  /** Each block as its type, and its text with marks. */
  get shown(): string[] {
    const marked = ({ text, marks }: Run) => Object.keys(marks).reduce((inner, name) => `<${name}>${inner}</>`, text);
    return this.blocks.map(({ shape, runs }) => `${shape.type}: ${runs.map(marked).join("")}`);
  }
}

// What others do, in short.
const insert = (block: number, offset: number, text: string, marks: Marks = {}): Edit => ({ op: "text", block, offset, delete: 0, insert: [{ text, marks }] });
const remove = (block: number, offset: number, length: number): Edit => ({ op: "text", block, offset, delete: length, insert: [] });
const mark = (block: number, from: number, to: number, name: string, value: MarkValue | null = true): Edit => ({ op: "mark", block, from, to, name, value });
const shapeOf = (line: string): Shape => (page(line)[0] as Block).shape;
const shape = (block: number, line: string): Edit => ({ op: "shape", block, shape: shapeOf(line) });
const split = (block: number, offset: number, line = ""): Edit => ({ op: "split", block, offset, shape: shapeOf(line) });
const joined = (block: number): Edit => ({ op: "join", block });
const blocks = (from: number, count: number, ...lines: string[]): Edit => ({ op: "blocks", from, count, blocks: lines.length > 0 ? flatten(documentOf(page(...lines)).content) : [] });

type Row = {
  what: string;
  start: string[];
  own: (desk: Desk) => void;
  others: Edit[];
  /** What the page is then. */
  both: string[];
  undone: string[];
  /** The same as `both`, unless others took away what it was about. */
  redone?: string[];
};

const rows: Row[] = [
  // Typing
  { what: "others type before what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [insert(0, 0, "theirs ")], both: ["theirs one mine"], undone: ["theirs one"] },
  { what: "others type behind what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [insert(0, 8, " theirs")], both: ["one mine theirs"], undone: ["one theirs"] },
  { what: "others type inside of what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [insert(0, 6, "THEIRS")], both: ["one miTHEIRSne"], undone: ["oneTHEIRS"] },
  { what: "others type inside of it at several places", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [insert(0, 5, "A"), insert(0, 8, "B"), insert(0, 0, "C")], both: ["Cone mAinBe"], undone: ["ConeAB"] },
  { what: "others delete all that was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [remove(0, 3, 5)], both: ["one"], undone: ["one"] },
  { what: "others delete part of what was typed, and text before it", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [remove(0, 2, 3)], both: ["onine"], undone: ["on"] },
  { what: "others delete the block", start: ["one", "two", "three"], own: (desk) => desk.type("1:two", " mine"), others: [blocks(1, 1)], both: ["one", "three"], undone: ["one", "three"] },
  { what: "others split the block before what was typed", start: ["one two"], own: (desk) => desk.type("0:two", " mine"), others: [split(0, 3)], both: ["one", " two mine"], undone: ["one", " two"] },
  { what: "others split what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [split(0, 6)], both: ["one mi", "ne"], undone: ["one", ""] },
  { what: "others join the block to the one before", start: ["one", "two"], own: (desk) => desk.type("1:two", " mine"), others: [joined(1)], both: ["onetwo mine"], undone: ["onetwo"] },
  { what: "others make the block another kind", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [shape(0, "- ")], both: ["- one mine"], undone: ["- one"] },
  { what: "others format what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [mark(0, 0, 6, "strong")], both: ["*one mi*ne"], undone: ["*one*"], redone: ["*one mi*ne"] },
  { what: "others comment on what was typed", start: ["one"], own: (desk) => desk.type("0:one", " mine"), others: [mark(0, 4, 8, "comment:a")], both: ["one [mine]"], undone: ["one"] },
  { what: "others replace a word of what was typed", start: ["one"], own: (desk) => desk.type("0:one", " my own"), others: [remove(0, 4, 2), insert(0, 4, "their")], both: ["one their own"], undone: ["onetheir"] },
  { what: "what was typed in place of other text", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two").type("0:one ", "2"), others: [insert(0, 5, "THEIRS")], both: ["one 2THEIRS three"], undone: ["one twoTHEIRS three"] },

  // Deleting
  { what: "others type where text was deleted", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [insert(0, 4, "THEIRS")], both: ["one THEIRS three"], undone: ["one THEIRStwo three"] },
  { what: "others type before where text was deleted", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [insert(0, 0, "THEIRS ")], both: ["THEIRS one  three"], undone: ["THEIRS one two three"] },
  { what: "others delete what stands around the deleted text", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [remove(0, 3, 2)], both: ["onethree"], undone: ["onethree"] },
  { what: "others delete what stands before the deleted text", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [remove(0, 0, 4)], both: [" three"], undone: ["two three"] },
  { what: "others split where text was deleted", start: ["one two three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [split(0, 4)], both: ["one ", " three"], undone: ["one ", "two three"] },
  { what: "deleted text comes back with its comment", start: ["one [two] three"], own: (desk) => desk.delete("0:one ", "0:two"), others: [insert(0, 4, "THEIRS")], both: ["one THEIRS three"], undone: ["one THEIRS[two] three"] },
  { what: "a deletion over two blocks, and others type at both ends", start: ["one two", "three four"], own: (desk) => desk.delete("0:one", "1:three"), others: [insert(0, 0, "A"), insert(0, 9, "B")], both: ["Aone fourB"], undone: ["Aone two", "three fourB"] },
  { what: "a block that was deleted, and others type in the one before", start: ["one", "two", "three"], own: (desk) => desk.delete("0:one", "1:two"), others: [insert(0, 2, "THEIRS")], both: ["onTHEIRSe", "three"], undone: ["onTHEIRSe", "two", "three"] },

  // Splitting and joining
  { what: "others type on both sides of a split", start: ["onetwo"], own: (desk) => desk.enter("0:one"), others: [insert(0, 3, "A"), insert(1, 0, "B")], both: ["oneA", "Btwo"], undone: ["oneABtwo"] },
  { what: "others put a block between the halves", start: ["onetwo"], own: (desk) => desk.enter("0:one"), others: [blocks(1, 0, "THEIRS")], both: ["one", "THEIRS", "two"], undone: ["one", "THEIRS", "two"] },
  { what: "others join the halves again", start: ["onetwo"], own: (desk) => desk.enter("0:one"), others: [joined(1)], both: ["onetwo"], undone: ["onetwo"] },
  { what: "others split the second half", start: ["onetwo"], own: (desk) => desk.enter("0:one"), others: [split(1, 2)], both: ["one", "tw", "o"], undone: ["onetw", "o"] },
  { what: "others make the second half a heading", start: ["onetwo"], own: (desk) => desk.enter("0:one"), others: [shape(1, "# ")], both: ["one", "# two"], undone: ["one", "# two"] },
  { what: "others type where two blocks were joined", start: ["one", "two"], own: (desk) => desk.join(1), others: [insert(0, 3, "THEIRS")], both: ["oneTHEIRStwo"], undone: ["oneTHEIRS", "two"] },
  { what: "others split where two blocks were joined", start: ["one", "two"], own: (desk) => desk.join(1), others: [split(0, 3)], both: ["one", "two"], undone: ["one", "", "two"] },

  // Marks
  { what: "others type inside of what was made bold", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [insert(0, 5, "THEIRS", { strong: true })], both: ["one *tTHEIRSwo* three"], undone: ["one tTHEIRSwo three"] },
  { what: "others make the same text italic", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 0, 7, "em")], both: ["_one *two*_ three"], undone: ["_one two_ three"] },
  { what: "others make more of it bold", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 7, 13, "strong")], both: ["one *two three*"], undone: ["one two* three*"] },
  { what: "others take the bold away", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 4, 7, "strong", null)], both: ["one two three"], undone: ["one two three"] },
  // What two make alike is one thing: there is no telling whose of the two it is, so it goes with either.
  { what: "others make the same text bold, and more", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 0, 13, "strong")], both: ["*one two three*"], undone: ["*one *two* three*"] },
  { what: "others make the same text a link to somewhere else", start: ["one two three"], own: (desk) => desk.command("link", "https://other.example", "0:one ", "0:two"), others: [mark(0, 4, 7, "link", address)], both: ["one <two> three"], undone: ["one <two> three"] },
  { what: "others make bold again what was made plain", start: ["one *two* three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 0, 7, "strong")], both: ["*one two* three"], undone: ["*one two* three"] },
  { what: "others delete part of what was made bold", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [remove(0, 2, 3)], both: ["on*wo* three"], undone: ["onwo three"] },
  { what: "others type beside a link", start: ["one two"], own: (desk) => desk.command("link", "https://example.org", "0:one ", "0:two"), others: [insert(0, 7, " A"), insert(0, 0, "B ")], both: ["B one <two> A"], undone: ["B one two A"] },
  { what: "others comment on part of what was made bold", start: ["one two three"], own: (desk) => desk.command("strong", undefined, "0:one ", "0:two"), others: [mark(0, 5, 9, "comment:a")], both: ["one *t[wo* t]hree"], undone: ["one t[wo t]hree"] },

  // Blocks
  { what: "others type in what was made a heading", start: ["one"], own: (desk) => desk.command("heading", 1, "0:"), others: [insert(0, 3, " theirs")], both: ["# one theirs"], undone: ["one theirs"] },
  { what: "others split what was made a heading", start: ["one two"], own: (desk) => desk.command("heading", 1, "0:"), others: [split(0, 3)], both: ["# one", " two"], undone: ["one", " two"] },
  { what: "others make another block a heading", start: ["one", "two"], own: (desk) => desk.command("heading", 1, "0:"), others: [shape(1, "# ")], both: ["# one", "# two"], undone: ["one", "# two"] },
  { what: "others make it a quote since", start: ["one"], own: (desk) => desk.command("heading", 1, "0:"), others: [shape(0, "> ")], both: ["> one"], undone: ["> one"] },
  { what: "others say the language of what was made a list", start: ["one"], own: (desk) => desk.command("language", "sw", "0:"), others: [insert(0, 1, "A")], both: ["sw oAne"], undone: ["oAne"] },
  { what: "others type in what was made a list", start: ["one", "two"], own: (desk) => desk.command("bulleted", undefined, "0:", "1:two"), others: [insert(0, 3, "A"), insert(1, 0, "B")], both: ["- oneA", "- Btwo"], undone: ["oneA", "Btwo"] },
  { what: "others add an item behind those of the list", start: ["one", "two"], own: (desk) => desk.command("bulleted", undefined, "0:", "1:two"), others: [split(1, 3, "- "), insert(2, 0, "THEIRS")], both: ["- one", "- two", "- THEIRS"], undone: ["one", "two", "- THEIRS"] },
  { what: "others tick an item in which something was typed", start: ["o one", "o two"], own: (desk) => desk.type("0:one", " mine"), others: [shape(0, "x ")], both: ["x one mine", "o two"], undone: ["x one", "o two"] },
  { what: "others delete an item beside the one that was added", start: ["- one", "- two"], own: (desk) => desk.enter("1:two").type("2:", "mine"), others: [blocks(0, 1)], both: ["- two", "- mine"], undone: ["- two"] },
  { what: "others type in another cell of a row that was added", start: ["| a", "+ b"], own: (desk) => desk.command("row-below", undefined, "0:a"), others: [insert(1, 1, "THEIRS")], both: ["| a", "+ bTHEIRS", "| ", "+ "], undone: ["| a", "+ bTHEIRS"] },
  { what: "others add a row behind the table in which something was typed", start: ["| a", "+ b"], own: (desk) => desk.type("1:b", " mine"), others: [blocks(2, 0, "| c", "+ d")], both: ["| a", "+ b mine", "| c", "+ d"], undone: ["| a", "+ b", "| c", "+ d"] },
  { what: "others delete the row in which something was typed", start: ["| a", "+ b", "| c", "+ d"], own: (desk) => desk.type("2:c", " mine"), others: [blocks(2, 2)], both: ["| a", "+ b"], undone: ["| a", "+ b"] },
];

for (const { what, start, own, others, both, undone, redone = both } of rows) {
  test(what, () => {
    const desk = new Desk(start);
    own(desk);
    desk.receive(others);
    assert.deepEqual(desk.written, both, "both");
    desk.turn(undo);
    assert.deepEqual(desk.written, undone, "undone");
    desk.turn(redo);
    assert.deepEqual(desk.written, redone, "redone");
  });
}

// What Markdown that is typed was made into, and what one undo and a second one give back.
type TypedRow = { what: string; start: string[]; at: Place; text: string; others?: Edit[]; made: string[]; undone: string[]; twice: string[] };

const typedRows: TypedRow[] = [
  { what: "a heading", start: [""], at: "0:", text: "## ", made: ["heading: "], undone: ["paragraph: ## "], twice: ["paragraph: "] },
  { what: "a heading before text", start: ["one"], at: "0:", text: "# ", made: ["heading: one"], undone: ["paragraph: # one"], twice: ["paragraph: one"] },
  { what: "an item", start: ["one", ""], at: "1:", text: "- ", made: ["paragraph: one", "unordered-list-item: "], undone: ["paragraph: one", "paragraph: - "], twice: ["paragraph: one", "paragraph: "] },
  { what: "an item that is done", start: [""], at: "0:", text: "[x] ", made: ["unordered-list-item: "], undone: ["paragraph: [x] "], twice: ["paragraph: "] },
  { what: "a quote", start: ["one"], at: "0:", text: "> ", made: ["blockquote: one"], undone: ["paragraph: > one"], twice: ["paragraph: one"] },
  { what: "code", start: [""], at: "0:", text: "```", made: ["code-block: "], undone: ["paragraph: ```"], twice: ["paragraph: "] },
  { what: "a rule", start: [""], at: "0:", text: "---", made: ["divider: "], undone: ["paragraph: ---"], twice: ["paragraph: "] },
  { what: "bold text", start: ["one"], at: "0:one", text: " **two**", made: ["paragraph: one <strong>two</>"], undone: ["paragraph: one **two**"], twice: ["paragraph: one"] },
  { what: "a formula", start: [""], at: "0:", text: "$x$", made: ["paragraph: <math>x</>"], undone: ["paragraph: $x$"], twice: ["paragraph: "] },
  { what: "a heading when others type there and before", start: ["zero", ""], at: "1:", text: "# ", others: [insert(0, 4, " A"), insert(1, 0, "B")], made: ["paragraph: zero A", "heading: B"], undone: ["paragraph: zero A", "paragraph: B# "], twice: ["paragraph: zero A", "paragraph: B"] },
  { what: "bold text in which others type", start: ["one"], at: "0:one", text: " **two**", others: [insert(0, 5, "A", { strong: true })], made: ["paragraph: one <strong>tAwo</>"], undone: ["paragraph: one **tAwo**"], twice: ["paragraph: oneA"] },
];

for (const { what, start, at, text, others = [], made, undone, twice } of typedRows) {
  for (const [name, first] of [["undo", undo], ["Backspace", backspace]] as const) {
    test(`${name} behind Markdown gives the characters back, and a second undo takes them: ${what}`, () => {
      const desk = new Desk(start).type(at, text);
      desk.receive(others);
      assert.deepEqual(desk.shown, made, "made");
      desk.turn(first);
      assert.deepEqual(desk.shown, undone, "undone");
      desk.turn(undo);
      assert.deepEqual(desk.shown, twice, "twice");
      desk.turn(redo);
      assert.deepEqual(desk.shown, undone, "redone");
      desk.turn(redo);
      assert.deepEqual(desk.shown, made, "redone twice");
    });
  }
}

test("what is typed behind a heading goes before the heading does", () => {
  const desk = new Desk([""]).type("0:", "# One");
  assert.deepEqual(desk.shown, ["heading: One"]);
  for (const shown of ["heading: ", "paragraph: # ", "paragraph: "]) {
    desk.turn(undo);
    assert.deepEqual(desk.shown, [shown]);
  }
});

test("Backspace elsewhere, or later, gives back no characters", () => {
  for (const then of [(desk: Desk) => desk.select("0:").select("1:"), (desk: Desk) => desk.type("1:", "a").delete("1:", "1:a")]) {
    const desk = new Desk(["one", ""]).type("1:", "# ");
    then(desk);
    assert.deepEqual(desk.shown, ["paragraph: one", "heading: "]);
    desk.turn(backspace);
    assert.deepEqual(desk.shown, ["paragraph: one", "paragraph: "]);
  }
});

test("whatever others do, undo takes back what oneself typed, and nothing else", () => {
  for (let seed = 0; seed < 1500; seed++) {
    const r = random(seed);
    const desk = new Desk(["one"]);
    desk.receive([{ op: "blocks", from: 0, count: 1, blocks: randomBlocks(r, false) }]);
    const block = r.below(desk.blocks.length);
    desk.type(`${block}:${letters(desk.blocks[block] as Block).slice(0, r.below(3))}`, "ΩΩΩ");
    const others: Edit[] = [];
    for (let turn = 0; turn < 1 + r.below(4); turn++) {
      const units = unitsOf(desk.blocks);
      const edit = randomEdit(r, blocksOf(units), false);
      // Blocks that others write anew are theirs, whatever stands in them.
      if (edit.op === "blocks") continue;
      others.push(edit);
      desk.receive([edit]);
    }
    const expected = desk.blocks.map((block) => ({ ...block, runs: without(block.runs, "Ω") }));
    desk.turn(undo);
    assert.deepEqual(desk.blocks, expected, `seed ${seed}: ${JSON.stringify(others)}`);
  }
});

test("whatever both do, and however often it is undone and redone, what is reported is what is shown", () => {
  const before = replacements;
  const commands: [string, (string | number)?][] = [
    ["strong"], ["link", "https://example.org"], ["bulleted"], ["numbered"], ["check"], ["quote"], ["callout"], ["heading", 2], ["paragraph"],
    ["code-block"], ["divider"], ["table"], ["row-below"], ["column-before"], ["delete-row"], ["header-row"], ["language", "sw"], ["language"], ["indent"], ["outdent"],
  ];
  let reported = 0;
  for (let seed = 0; seed < 300; seed++) {
    const r = random(seed);
    const desk = new Desk(["one"]);
    desk.receive([{ op: "blocks", from: 0, count: 1, blocks: randomBlocks(r, false) }]);
    for (let turn = 0; turn < 20; turn++) {
      const block = () => {
        const number = r.below(desk.blocks.length);
        return `${number}:${letters(desk.blocks[number] as Block).slice(0, r.below(4))}`;
      };
      const does = r.below(8);
      if (does < 2) desk.type(block(), "ab");
      else if (does < 4) desk.try(commandNamed(...r.pick(commands)), block(), block());
      else if (does < 5) desk.try(r.pick([enter, backspace, baseKeymap.Backspace as Command]), block());
      else if (does < 6) desk.receive([randomEdit(r, desk.blocks, false)]);
      else desk.turn(r.pick([undo, undo, redo]));
      reported++;
    }
  }
  assert(replacements - before < reported / 20, `${replacements - before} of ${reported} replaced blocks whole`);
});

function letters({ runs }: Block): string {
  return runs.map(({ text }) => text).join("");
}

function without(runs: Run[], letter: string): Run[] {
  return join(runs.map(({ text, marks }) => ({ text: text.replaceAll(letter, ""), marks })));
}
