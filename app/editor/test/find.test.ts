import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { EditorState, NodeSelection, TextSelection, type Transaction } from "prosemirror-state";
import type { DecorationSet, EditorView } from "prosemirror-view";
import { documentOf, flatten } from "../src/blocks.ts";
import { editsOf } from "../src/edits.ts";
import { finder, finding, foundIn, replaceAll, withQuery } from "../src/find.ts";
import { hasWordFrom, matcher } from "../src/folding.ts";
import { pictureOf } from "../src/pictures.ts";
import { positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Edit, Run } from "../src/types.ts";
import { random } from "./random.ts";

const block = (...runs: Run[]): Block => ({ shape: { type: "paragraph", parents: [], attrs: {}, isEmbed: false }, runs });
const plain = (text: string): Block => block({ text, marks: {} });

/** What is found, as it stands in the text. */
function found(query: string, text: string, matchCase = false): string[] {
  return matcher(query, matchCase)(text).map(([from, to]) => text.slice(from, to));
}

test("case does not count, in any script, unless it is told to", () => {
  assert.deepEqual(found("rIVER", "River, RIVER, rivers"), ["River", "RIVER", "river"]);
  assert.deepEqual(found("River", "River, RIVER, rivers", true), ["River"]);
  assert.deepEqual(found("ποταμοσ", "Ο ποταμός και οι ΠΟΤΑΜΟΣ"), ["ΠΟΤΑΜΟΣ"]);
  assert.deepEqual(found("ΟΔΟΣ", "οδος οδοσ"), ["οδος", "οδοσ"]);
  assert.deepEqual(found("река", "РЕКА Река"), ["РЕКА", "Река"]);
  assert.deepEqual(found("STRASSE", "Straße, Strasse"), ["Straße", "Strasse"]);
  assert.deepEqual(found("s", "ß"), [], "half of a letter is none");
  assert.deepEqual(found("istanbul", "İstanbul ISTANBUL ıstanbul"), ["İstanbul", "ISTANBUL", "ıstanbul"]);
  assert.deepEqual(found("istanbul", "İstanbul istanbul", true), ["istanbul"]);
});

test("composed and decomposed letters are equal, and none is torn", () => {
  for (const form of ["NFC", "NFD"]) {
    for (const other of ["NFC", "NFD"]) {
      assert.equal(found("é".normalize(form), "café".normalize(other)).length, 1);
      assert.equal(found("tiếng việt".normalize(form), "Tiếng Việt".normalize(other)).length, 1);
      assert.equal(found("한글".normalize(form), "우리 한글".normalize(other)).length, 1);
      assert.equal(found("क़लम".normalize(form), "क़लम".normalize(other)).length, 1);
    }
    assert.deepEqual(found("e", "café".normalize(form)), []);
    assert.deepEqual(found("하", "한".normalize(form)), []);
    assert.deepEqual(found("cafe", "café".normalize(form)), []);
    assert.deepEqual(found("क", "क़".normalize(form)), []);
  }
  assert.deepEqual(found("👩", "👩‍🏫 👩"), ["👩"]);
  assert.deepEqual(found("🇪🇩", "🇰🇪🇩🇪"), [], "two halves of flags are none");
  assert.deepEqual(found("🇩🇪", "🇰🇪🇩🇪"), ["🇩🇪"]);
});

test("words are found in longer ones of every script", () => {
  assert.deepEqual(found("किताब", "किताबें"), ["किताब"]);
  assert.deepEqual(found("江", "长江流域"), ["江"]);
  assert.deepEqual(found("แม่น้ำ", "ที่แม่น้ำโขง"), ["แม่น้ำ"]);
});

test("points and what is not seen only count in what is looked for", () => {
  assert.deepEqual(found("كتاب", "كِتَابٌ"), ["كِتَابٌ"]);
  assert.deepEqual(found("كِتَاب", "كتاب كِتَاب"), ["كِتَاب"]);
  assert.deepEqual(found("שלום", "שָׁלוֹם"), ["שָׁלוֹם"]);
  assert.deepEqual(found("Donau", "Do\u00ADnau"), ["Do\u00ADnau"]);
  assert.deepEqual(found("4 m", "4\u00A0m"), ["4\u00A0m"]);
  assert.deepEqual(found("\u200E", "a\u200Eb"), []);
  assert.deepEqual(found("", "abc"), []);
});

test("finds do not overlap", () => {
  assert.deepEqual(matcher("aa", false)("aaaaa"), [[0, 2], [2, 4]]);
});

test("a word of a name is found from its beginning", () => {
  assert(hasWordFrom("Bulleted list", "LIST"));
  assert(hasWordFrom("عنوان 1", "عن"));
  assert(!hasWordFrom("Bulleted list", "ist"));
});

/** A page on which something is looked for. */
class Desk {
  edits: Edit[] = [];
  state: EditorState;
  composing = false;

  constructor(blocks: Block[], text: string, matchCase = false) {
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [history(), finding(() => this.composing)] });
    this.state = state.apply(withQuery(state.tr, { text, matchCase }));
  }

  dispatch = (tr: Transaction) => {
    this.state = this.state.apply(tr);
    this.edits.push(...editsOf(tr));
  };

  get text(): string[] {
    return flatten(this.state.doc.content).map(({ runs }) => runs.map((run) => run.text).join(""));
  }

  /** What is decorated, as it stands in the text. */
  get shown(): string[] {
    const set = this.state.plugins[1]?.props.decorations?.call(this.state.plugins[1], this.state) as DecorationSet;
    return set.find().sort((a, b) => a.from - b.from).map(({ from, to }) => this.state.doc.textBetween(from, to, "|"));
  }
}

test("nothing is found across blocks, and the one that is selected is the current one", () => {
  const desk = new Desk([plain("the Ta"), plain("na and the Tana")], "Tana");
  assert.deepEqual(foundIn(desk.state), { count: 1, current: null });
  const from = positionOf(desk.state.doc, { block: 1, offset: 11 });
  desk.dispatch(desk.state.tr.setSelection(TextSelection.create(desk.state.doc, from, from + 4)));
  assert.deepEqual(foundIn(desk.state), { count: 1, current: 1 });
  assert.deepEqual(desk.shown, ["Tana", "Tana"]);
});

/** As much of a view as finding takes. */
class Window {
  editable = true;
  state: EditorState;
  dom = { querySelector: () => null };

  constructor(blocks: Block[]) {
    this.state = EditorState.create({ doc: documentOf(blocks), plugins: [finding(() => false)] });
  }

  dispatch = (tr: Transaction) => void (this.state = this.state.apply(tr));

  /** What is selected: text, or a picture by its description. */
  get selected(): string {
    const { selection, doc } = this.state;
    const node = selection instanceof NodeSelection ? selection.node : null;
    return node === null ? doc.textBetween(selection.from, selection.to) : `picture: ${pictureOf(node).alt}`;
  }
}

test("pictures are found by what they show, and replacing leaves that as it is", () => {
  const picture = (alt: string | null, text: string): Block => {
    const { runs } = plain(text);
    const attrs = { src: "attachment:AQ", ...(alt === null ? {} : { alt }) };
    return { shape: { type: "image", parents: [], attrs, isEmbed: true }, runs: text === "" ? [] : runs };
  };
  const view = new Window([plain("a river"), picture("River Tana, the river", "The river at Garissa"), picture(null, ""), picture("", ""), picture("a River", ""), plain("rivers")]);
  const { find, findNext, replace, replaceAll } = finder(view as unknown as EditorView);
  find({ text: "river", matchCase: false });
  const all = ["river", "picture: River Tana, the river", "river", "picture: a River", "river"];
  assert.deepEqual(foundIn(view.state), { count: all.length, current: 1 });
  const forward = all.map(() => (findNext(1), view.selected));
  assert.deepEqual(forward, [...all.slice(1), all[0]]);
  const back = all.map(() => (findNext(-1), view.selected));
  assert.deepEqual(back, all.toReversed());
  findNext(1);
  assert.deepEqual(foundIn(view.state), { count: all.length, current: 2 });
  // It goes on to the line under it.
  const before = flatten(view.state.doc.content);
  replace("lake");
  assert.deepEqual([view.selected, flatten(view.state.doc.content)], ["river", before]);
  assert.equal(replaceAll("lake"), 3);
  assert.deepEqual(flatten(view.state.doc.content).map(({ runs, shape }) => [runs.map(({ text }) => text).join(""), shape.attrs.alt ?? null]), [
    ["a lake", null],
    ["The lake at Garissa", "River Tana, the river"],
    ["", null],
    ["", ""],
    ["", "a River"],
    ["lakes", null],
  ]);
  assert.deepEqual(foundIn(view.state)?.count, 2);
  // Somebody describes another, and one goes.
  const edits: Edit[] = [
    { op: "shape", block: 2, shape: picture("A RIVER", "").shape },
    { op: "join", block: 1 },
  ];
  view.dispatch(remoteTransaction(view.state, edits));
  assert.deepEqual(foundIn(view.state)?.count, 2);
});

test("replacing all is one step to undo, and goes out as the smallest edits", () => {
  const strong = { strong: true };
  const blocks = [block({ text: "Colour ", marks: {} }, { text: "colour", marks: strong }), plain("none"), plain("My colours")];
  const desk = new Desk(blocks, "colour", true);
  const replaced = replaceAll(desk.state, "color");
  assert.equal(replaced?.count, 2);
  desk.dispatch((replaced as { tr: Transaction }).tr);
  assert.deepEqual(desk.text, ["Colour color", "none", "My colors"]);
  assert.deepEqual(desk.edits, [
    { op: "text", block: 2, offset: 7, delete: 1, insert: [] },
    { op: "text", block: 0, offset: 11, delete: 1, insert: [] },
  ]);
  assert.deepEqual(flatten(desk.state.doc.content)[0]?.runs, [{ text: "Colour ", marks: {} }, { text: "color", marks: strong }]);
  assert(undo(desk.state, desk.dispatch));
  assert.deepEqual(flatten(desk.state.doc.content), blocks);
});

test("what comes in has the marks of what it replaces", () => {
  const em = { em: true };
  const desk = new Desk([block({ text: "a ", marks: {} }, { text: "big river", marks: em }, { text: " b", marks: {} })], "river b");
  desk.dispatch((replaceAll(desk.state, "sea") as { tr: Transaction }).tr);
  assert.deepEqual(flatten(desk.state.doc.content)[0]?.runs, [{ text: "a ", marks: {} }, { text: "big sea", marks: em }]);
});

test("half of a pair never goes out", () => {
  const desk = new Desk([plain("see 😀 there")], "😀");
  desk.dispatch((replaceAll(desk.state, "😁") as { tr: Transaction }).tr);
  assert.deepEqual(desk.text, ["see 😁 there"]);
  assert.deepEqual(desk.edits, [{ op: "text", block: 0, offset: 4, delete: 2, insert: [{ text: "😁", marks: {} }] }]);
});

test("what others write is found, and what they delete is not any more", () => {
  const desk = new Desk([plain("Tana"), plain("Weser")], "tana");
  desk.dispatch(remoteTransaction(desk.state, [
    { op: "text", block: 1, offset: 5, delete: 0, insert: [{ text: " and tana", marks: {} }] },
    { op: "split", block: 1, offset: 5, shape: { type: "heading", parents: [], attrs: { level: 1 }, isEmbed: false } },
  ]));
  assert.deepEqual([foundIn(desk.state)?.count, desk.shown], [2, ["Tana", "tana"]]);
  desk.dispatch(remoteTransaction(desk.state, [{ op: "text", block: 0, offset: 1, delete: 1, insert: [] }]));
  assert.deepEqual([foundIn(desk.state)?.count, desk.shown], [1, ["tana"]]);
});

test("while somebody composes only what is there is moved", () => {
  const desk = new Desk([plain("Tana Tan")], "tana");
  desk.composing = true;
  desk.dispatch(desk.state.tr.insertText("a", 9));
  assert.deepEqual(desk.shown, ["Tana"]);
  desk.composing = false;
  desk.dispatch(desk.state.tr.insertText("!", 10));
  assert.deepEqual(desk.shown, ["Tana", "Tana"]);
});

test("what is shown after any edits is what is found in the page they lead to", () => {
  const next = random(7);
  const pick = (below: number) => next.below(below);
  const desk = new Desk([plain("abab"), plain("ba"), plain("")], "ab");
  for (let round = 0; round < 300; round++) {
    const blocks = flatten(desk.state.doc.content);
    const at = pick(blocks.length);
    const length = blocks[at]?.runs.map(({ text }) => text).join("").length ?? 0;
    const offset = pick(length + 1);
    const insert = pick(2) === 0 ? [{ text: ["a", "b", "ab"][pick(3)] ?? "", marks: {} }] : [];
    const shape = { type: pick(2) === 0 ? "paragraph" : "unordered-list-item", parents: [], attrs: {}, isEmbed: false };
    const edits: Edit[] = [
      { op: "text", block: at, offset, delete: Math.min(pick(3), length - offset), insert },
      { op: "split", block: at, offset, shape },
      { op: "join", block: Math.max(at, 1) },
      { op: "shape", block: at, shape },
    ];
    const edit = edits[pick(4)];
    if (edit === undefined || (edit.op === "join" && blocks.length < 3) || (edit.op === "split" && blocks.length > 8)) continue;
    desk.dispatch(remoteTransaction(desk.state, [edit]));
    const fresh = new Desk(flatten(desk.state.doc.content), "ab");
    assert.deepEqual([foundIn(desk.state), desk.shown], [foundIn(fresh.state), fresh.shown], JSON.stringify(edit));
  }
});
