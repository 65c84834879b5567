import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { history, undo } from "prosemirror-history";
import { EditorState, TextSelection, type Transaction } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { blockMenu } from "../src/block_menu.ts";
import { documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Edit } from "../src/types.ts";

const shape = (type: string) => ({ type, parents: [], attrs: {}, isEmbed: false });
const block = (text: string, type = "paragraph"): Block => ({ shape: shape(type), runs: text === "" ? [] : [{ text, marks: {} }] });

const items = [
  { name: "Paragraph", command: "paragraph" },
  { name: "Heading 1", command: "heading", value: 1 },
  { name: "Heading 2", command: "heading", value: 2 },
  { name: "Bulleted list", command: "bulleted" },
  { name: "Überschrift", command: "heading", value: 3 },
  { name: "عنوان", command: "quote" },
  { name: "Table", command: "table" },
  { name: "Math", command: "math" },
  { name: "Image", command: "image" },
];

/** A page whose first block ends with the caret. */
class Desk {
  readonly menu = blockMenu({ label: "Insert", items }, () => (this.asked += 1));
  /** How often a picture was asked for. */
  asked = 0;
  readonly view = { composing: false, isDestroyed: false, dispatch: (tr: Transaction) => this.dispatch(tr), get state() { return desk().state; } };
  edits: Edit[] = [];
  state: EditorState;
  private composed: { from: number; to: number } | null = null;

  constructor(...blocks: Block[]) {
    desk = () => this;
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [this.menu, history(), canonicalForm()] });
    this.state = state.apply(state.tr.setSelection(TextSelection.create(state.doc, positionOf(state.doc, { block: 0, offset: 999 }))));
  }

  type(text: string): this {
    for (const letter of text) {
      const { from, to } = this.state.selection;
      this.input(letter, from, to, () => this.state.tr.insertText(letter, from, to));
    }
    return this;
  }

  /** An input method shows a text in place of the one before. */
  compose(text: string): this {
    this.view.composing = true;
    const { from, to } = this.composed ?? this.state.selection;
    this.composed = { from, to: from + text.length };
    // As ProseMirror reads it: what differs.
    const same = [...text].findIndex((letter, index) => from + index >= to || this.state.doc.textBetween(from + index, from + index + 1) !== letter);
    const [start, rest] = same < 0 ? [from + text.length, ""] : [from + same, text.slice(same)];
    this.input(rest, start, to, () => this.state.tr.insertText(rest, start, to).setMeta("composition", 1));
    return this;
  }

  /** It is done. */
  commit(): this {
    this.view.composing = false;
    this.composed = null;
    this.menu.props.handleDOMEvents?.compositionend?.call(this.menu, this.view as unknown as EditorView, {} as CompositionEvent);
    mock.timers.tick(1000);
    return this;
  }

  private input(text: string, from: number, to: number, typed: () => Transaction): void {
    const taken = this.menu.props.handleTextInput?.call(this.menu, this.view as unknown as EditorView, from, to, text, typed);
    if (taken !== true) this.dispatch(typed());
  }

  /** Whether the menu takes the key. */
  press(key: string, isComposing = false): boolean {
    return this.menu.props.handleKeyDown?.call(this.menu, this.view as unknown as EditorView, { key, isComposing } as KeyboardEvent) === true;
  }

  dispatch = (tr: Transaction) => {
    const { state, transactions } = this.state.applyTransaction(tr);
    this.edits.push(...transactions.flatMap(editsOf));
    this.state = state;
    state.doc.check();
  };

  /** What the menu offers, the one that Enter chooses between brackets. */
  get offered(): string[] {
    const open = this.menu.getState(this.state);
    return (open?.items ?? []).map(({ name }, index) => (index === open?.at ? `[${name}]` : name));
  }

  /** What a screen reader is told of the text box. */
  get told(): Record<string, string> {
    const told = this.menu.props.attributes;
    return typeof told === "function" ? ((told.call(this.menu, this.state) ?? {}) as Record<string, string>) : {};
  }

  get shown(): string[] {
    return flatten(this.state.doc.content).map(({ shape, runs }) => `${[...shape.parents, shape.type].join("/")}: ${runs.map((run) => run.text).join("")}`);
  }
}

let desk: () => Desk;

test("a slash opens it at the beginning and behind a space, and nowhere else", () => {
  assert.equal(new Desk(block("")).type("/").offered.length, items.length);
  assert.equal(new Desk(block("words ")).type("/").offered.length, items.length);
  assert.deepEqual(new Desk(block("words")).type("/").offered, []);
  assert.deepEqual(new Desk(block("", "code-block")).type("/").offered, []);
  assert.deepEqual(new Desk(block("", "math-block")).type("/").offered, []);
  const inFormula = { shape: shape("paragraph"), runs: [{ text: "a ", marks: { math: true } }] };
  assert.deepEqual(new Desk(inFormula).type("/").offered, []);
  assert.equal(new Desk(block("")).type("／").offered.length, items.length);
});

test("what is typed chooses among the names, in any language", () => {
  assert.deepEqual(new Desk(block("")).type("/head").offered, ["[Heading 1]", "Heading 2"]);
  assert.deepEqual(new Desk(block("")).type("/heading 2").offered, ["[Heading 2]"]);
  assert.deepEqual(new Desk(block("")).type("/LIST").offered, ["[Bulleted list]"]);
  assert.deepEqual(new Desk(block("")).type("/über").offered, ["[Überschrift]"]);
  assert.deepEqual(new Desk(block("")).type("/عن").offered, ["[عنوان]"]);
  assert.deepEqual(new Desk(block("")).type("/x").offered, []);
  assert.deepEqual(new Desk(block("")).type("/ta").told, {
    "aria-haspopup": "listbox",
    "aria-autocomplete": "list",
    "aria-controls": "block-menu",
    "aria-activedescendant": "block-menu-0",
  });
  assert.deepEqual(new Desk(block("")).type("/x").told, {});
});

test("arrows go round, Enter and Tab choose, Escape leaves what is typed", () => {
  const desk = new Desk(block("")).type("/head");
  assert(desk.press("ArrowUp"));
  assert.deepEqual(desk.offered, ["Heading 1", "[Heading 2]"]);
  assert(desk.press("ArrowDown"));
  assert.deepEqual(desk.offered, ["[Heading 1]", "Heading 2"]);
  assert(desk.press("Tab"));
  assert.deepEqual([desk.shown, desk.offered], [["heading: "], []]);

  const left = new Desk(block("")).type("/head");
  assert(left.press("Escape"));
  assert.deepEqual([left.type("ing").shown, left.offered], [["paragraph: /heading"], []]);
  assert(!left.press("Enter"), "Enter is Enter again");
});

test("choosing is one step, and undo gives back what was typed", () => {
  const before = replacements;
  const desk = new Desk(block("Rivers "), block("below")).type("/list");
  const typed = desk.edits.length;
  assert(desk.press("Enter"));
  assert.deepEqual(desk.shown, ["unordered-list-item: Rivers ", "paragraph: below"]);
  assert.deepEqual(desk.edits.slice(typed).map(({ op }) => op), ["text", "shape"]);
  assert(undo(desk.state, desk.dispatch));
  assert.deepEqual(desk.shown, ["paragraph: Rivers /list", "paragraph: below"]);
  assert.equal(replacements, before);
});

test("a formula is a line of its own on an empty one, and part of the text in another", () => {
  const alone = new Desk(block("")).type("/math");
  alone.press("Enter");
  assert.deepEqual(alone.shown, ["math-block: "]);
  const within = new Desk(block("so ")).type("/math");
  within.press("Enter");
  within.dispatch(within.state.tr.insertText("x"));
  assert.deepEqual(flatten(within.state.doc.content)[0]?.runs, [{ text: "so ", marks: {} }, { text: "x", marks: { math: true } }]);
});

test("who chooses a picture is asked for it, and the slash is gone", () => {
  const desk = new Desk(block("words ")).type("/im");
  assert.equal(desk.asked, 0);
  assert(desk.press("Enter"));
  assert.deepEqual([desk.shown, desk.asked], [["paragraph: words "], 1]);
});

test("what does nothing here is not offered", () => {
  const item = new Desk(block("", "unordered-list-item")).type("/");
  assert(!item.offered.includes("Table"));
  assert(item.offered.includes("Heading 1"));
});

test("it closes with the caret elsewhere, and stays while others write before it", () => {
  const desk = new Desk(block("words "), block("below")).type("/tab");
  desk.dispatch(remoteTransaction(desk.state, [{ op: "text", block: 0, offset: 0, delete: 0, insert: [{ text: "Many ", marks: {} }] }]));
  assert.deepEqual(desk.offered, ["[Table]"]);
  desk.dispatch(desk.state.tr.setSelection(TextSelection.create(desk.state.doc, positionOf(desk.state.doc, { block: 1, offset: 0 }))));
  assert.deepEqual(desk.offered, []);

  // What is taken away is what was typed, wherever it is by then.
  const chosen = new Desk(block("words ")).type("/list");
  const remote: Edit[][] = [
    [{ op: "text", block: 0, offset: 0, delete: 0, insert: [{ text: "Many ", marks: {} }] }],
    [{ op: "text", block: 0, offset: 1, delete: 3, insert: [] }],
    [{ op: "blocks", from: 0, count: 0, blocks: [block("above")] }],
  ];
  for (const edits of remote) chosen.dispatch(remoteTransaction(chosen.state, edits));
  assert(chosen.press("Enter"));
  assert.deepEqual(chosen.shown, ["paragraph: above", "unordered-list-item: M words "]);

  const slash = new Desk(block("words ")).type("/tab");
  slash.dispatch(remoteTransaction(slash.state, [{ op: "text", block: 0, offset: 6, delete: 1, insert: [] }]));
  assert.deepEqual(slash.offered, []);
});

test("a sentence with a slash stays one", () => {
  const desk = new Desk(block("")).type("he /she /x y");
  assert.deepEqual(desk.offered, []);
  assert(!desk.press("Enter"));
});

test("where each word is composed it stays open, and chooses among the names by what came of it", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const phone = new Desk(block("")).type("/").compose("h").compose("he").compose("head");
  assert.deepEqual(phone.offered, ["[Heading 1]", "Heading 2"]);
  assert(!phone.press("Enter", true), "the key is the input method's");
  assert(phone.commit().press("Enter"));
  assert.deepEqual(phone.shown, ["heading: "]);

  // What is being composed may be anything.
  const letters = new Desk(block("")).compose("／").commit().compose("b").compose("biao ").compose("عن");
  assert.deepEqual(letters.commit().offered, ["[عنوان]"]);
  assert(letters.press("Enter"));
  assert.deepEqual(letters.shown, ["blockquote: "]);

  const all = new Desk(block("")).compose("／").compose("／h");
  assert.deepEqual(all.commit().offered, ["[Heading 1]", "Heading 2"]);
  const none = new Desk(block("")).type("/").compose("x").compose("xy");
  assert.equal(none.offered.length, items.length);
  assert.deepEqual(none.commit().offered, []);
  const converted = new Desk(block("")).compose("／").compose("÷");
  assert.deepEqual(converted.offered, []);
  mock.timers.reset();
});
