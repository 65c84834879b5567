import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { test } from "node:test";
import { EditorState, TextSelection, type Transaction } from "prosemirror-state";
import type { DecorationSet, EditorView } from "prosemirror-view";
import { documentOf } from "../src/blocks.ts";
import { mathematics, type Render } from "../src/math.ts";
import { positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Edit } from "../src/types.ts";

const shapeOf = (type: string) => ({ type, parents: [], attrs: {}, isEmbed: false });
const text = (words: string): Block => ({ shape: shapeOf("paragraph"), runs: words === "" ? [] : [{ text: words, marks: {} }] });
const formulaBlock = (latex: string): Block => ({ shape: shapeOf("math-block"), runs: [{ text: latex, marks: {} }] });
const sentence = (before: string, latex: string, behind: string): Block => ({
  shape: shapeOf("paragraph"),
  runs: [
    { text: before, marks: {} },
    { text: latex, marks: { math: true } },
    { text: behind, marks: {} },
  ].filter((run) => run.text !== ""),
});
const typed = (block: number, offset: number, insert: string): Edit => ({
  op: "text",
  block,
  offset,
  delete: 0,
  insert: [{ text: insert, marks: {} }],
});

/** A page, as far as formulas are concerned; whoever is at it may write, and has the focus. */
class Page {
  readonly view = { editable: true, focused: true, hasFocus: () => this.view.focused, isDestroyed: false, updateState() {} };
  readonly plugin;
  state: EditorState;

  constructor(blocks: Block[], render: Render = (latex) => (latex.includes("?") ? null : `<math>${latex}</math>`)) {
    this.plugin = mathematics(render);
    this.state = EditorState.create({ doc: documentOf(blocks), plugins: [this.plugin] });
    this.plugin.spec.view?.(this.view as unknown as EditorView);
  }

  apply(tr: Transaction): this {
    this.state = this.state.apply(tr);
    return this;
  }

  caret(block: number, offset: number): this {
    return this.apply(this.state.tr.setSelection(TextSelection.create(this.state.doc, positionOf(this.state.doc, { block, offset }))));
  }

  others(...edits: Edit[]): this {
    return this.apply(remoteTransaction(this.state, edits));
  }

  get decorations(): { from: number; to: number; key: string | undefined }[] {
    const set = this.plugin.props.decorations?.call(this.plugin, this.state) as DecorationSet;
    const all = set.find().map(({ from, to, spec }) => ({ from, to, key: spec.key as string | undefined }));
    return all.sort((one, other) => one.from - other.from || one.to - other.to);
  }

  /** The formulas that are shown as such. */
  get shown(): string[] {
    return this.decorations.flatMap(({ key }) => (key === undefined ? [] : (/<math>(.*)<\/math>/.exec(key)?.slice(1) ?? [])));
  }

  /** How many formulas have their LaTeX hidden, or underlined as wrong. */
  get styled(): number {
    return this.decorations.filter(({ key }) => key === undefined).length;
  }
}

const printing = new EventTarget();
setMaxListeners(0, printing);
Object.assign(globalThis, {
  addEventListener: printing.addEventListener.bind(printing),
  removeEventListener: printing.removeEventListener.bind(printing),
});

test("after any edit each formula is shown as it is on a page that was just opened", () => {
  const blocks = [text("top"), formulaBlock("a"), formulaBlock("b"), text("middle"), sentence("so ", "c", " is"), formulaBlock("?"), sentence("", "d", "")];
  const edits: Edit[] = [
    ...blocks.flatMap((_, block) => [typed(block, 0, "+"), typed(block, 1, "-")]),
    ...blocks.flatMap((_, block): Edit[] => [{ op: "split", block, offset: 1, shape: shapeOf("paragraph") }]),
    ...blocks.slice(1).map((_, index): Edit => ({ op: "join", block: index + 1 })),
    ...blocks.map((_, from): Edit => ({ op: "blocks", from, count: 1, blocks: [] })),
    ...blocks.map((_, from): Edit => ({ op: "blocks", from, count: 0, blocks: [formulaBlock("new")] })),
  ];
  for (const edit of edits) {
    const page = new Page(blocks).others(edit);
    const opened = new Page([]);
    opened.state = EditorState.create({ doc: page.state.doc, plugins: [opened.plugin] });
    page.view.focused = opened.view.focused = false;
    assert.deepEqual(page.decorations, opened.decorations, JSON.stringify(edit));
    // Also when what is there is written once more.
    page.apply(page.state.tr.replaceWith(0, page.state.doc.content.size, page.state.doc.content));
    assert.deepEqual(page.decorations, opened.decorations, JSON.stringify(edit));
  }
});

test("a formula opens wherever others have moved it", () => {
  const page = new Page([text("top"), sentence("ab", "x", " z"), formulaBlock("y"), formulaBlock("w"), text("end")]);
  page.caret(1, 3);
  assert.deepEqual([page.shown, page.styled], [["y", "w"], 2]);
  page.others(typed(0, 0, "more "), { op: "split", block: 0, offset: 2, shape: shapeOf("paragraph") });
  assert.deepEqual([page.shown, page.styled], [["y", "w"], 2]);
  page.caret(3, 1);
  assert.deepEqual([page.shown, page.styled], [["x", "w"], 2]);
  page.caret(4, 0);
  assert.deepEqual([page.shown, page.styled], [["x", "y"], 2]);
  page.caret(5, 0);
  assert.deepEqual([page.shown, page.styled], [["x", "y", "w"], 3]);
});

test("the caret is in a formula only where what is typed would belong to it", () => {
  const page = new Page([sentence("ab", "x^2", " z")]);
  for (const [offset, shown] of [[1, 1], [2, 1], [3, 0], [5, 0], [6, 1]] as const) {
    assert.equal(page.caret(0, offset).shown.length, shown, `at ${offset}`);
  }
  page.caret(0, 2);
  assert.equal(page.apply(page.state.tr.insertText("q")).shown.length, 1);
  assert.deepEqual(page.state.doc.firstChild?.child(0).text, "abq");
});

test("whoever reads or prints sees formulas, wherever the caret is", () => {
  const page = new Page([sentence("", "x", " z")]).caret(0, 0);
  assert.deepEqual(page.shown, []);
  page.view.focused = false;
  assert.deepEqual(page.shown, ["x"]);
  page.view.focused = true;
  page.view.editable = false;
  assert.deepEqual(page.shown, ["x"]);
  page.view.editable = true;
  printing.dispatchEvent(new Event("beforeprint"));
  assert.deepEqual(page.shown, ["x"]);
  printing.dispatchEvent(new Event("afterprint"));
  assert.deepEqual(page.shown, []);
});

test("what is typed beside a formula does not render it anew", () => {
  const rendered: string[] = [];
  const render: Render = (latex, block) => {
    rendered.push(`${block} ${latex}`);
    return latex === "wrong" ? null : `<math>${latex}</math>`;
  };
  const page = new Page([sentence("so ", "x", " is"), sentence("and ", "wrong", ""), formulaBlock("x")], render);
  for (let i = 0; i < 5; i++) page.others(typed(0, 0, "a"), typed(1, 0, "b"));
  assert.deepEqual(rendered, ["false x", "false wrong", "true x"]);
  // Not for ever: a page can have any number of formulas.
  for (let i = 0; i < 1000; i++) page.others(typed(2, 0, "y"));
  page.others(typed(0, 0, "a"));
  assert.equal(rendered.filter((name) => name === "false x").length, 2);
});
