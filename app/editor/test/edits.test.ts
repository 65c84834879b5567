import assert from "node:assert/strict";
import { test } from "node:test";
import { baseKeymap, chainCommands } from "prosemirror-commands";
import { history } from "prosemirror-history";
import { Fragment, type Node, Slice } from "prosemirror-model";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { ReplaceStep, Step, StepMap, StepResult } from "prosemirror-transform";
import { documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { commandNamed } from "../src/commands.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { backspace, enter } from "../src/keyboard.ts";
import { toggleChecked } from "../src/lists.ts";
import { abovePicture, changePicture, insertPicture, pictureAt } from "../src/picture_commands.ts";
import { countBlocks, positionOf } from "../src/points.ts";
import { schema } from "../src/schema.ts";
import { belowTable, emptyCells, goToCell } from "../src/tables.ts";
import type { Block, Edit } from "../src/types.ts";
import { applyToUnits, blocksOf, type Random, random, randomBlocks, unitsOf } from "./random.ts";

const plugins = [history({ newGroupDelay: 0 }), canonicalForm()];

function stateOf(blocks: Block[]): EditorState {
  return EditorState.create({ doc: documentOf(blocks), plugins });
}

function paragraphs(...texts: string[]): Block[] {
  return texts.map((text) => ({
    shape: { type: "paragraph", parents: [], attrs: {}, isEmbed: false },
    runs: text === "" ? [] : [{ text, marks: {} }],
  }));
}

/** Puts the selection at points, runs the command and returns the edits. */
function editsAfter(blocks: Block[], anchor: [number, number], head: [number, number], command: Command): Edit[] {
  const state = select(stateOf(blocks), anchor, head);
  const edits: Edit[] = [];
  assert(command(state, (tr) => edits.push(...state.applyTransaction(tr).transactions.flatMap(editsOf))));
  return edits;
}

function select(state: EditorState, anchor: [number, number], head: [number, number]): EditorState {
  const at = ([block, offset]: [number, number]) => positionOf(state.doc, { block, offset });
  return state.apply(state.tr.setSelection(TextSelection.create(state.doc, at(anchor), at(head))));
}

function typing(text: string): Command {
  return (state, dispatch) => {
    dispatch?.(state.tr.insertText(text));
    return true;
  };
}

const shape = (type: string, parents: string[] = [], attrs = {}) => ({ type, parents, attrs, isEmbed: false });

test("typing among equal letters is told exactly", () => {
  assert.deepEqual(editsAfter(paragraphs("x", "aaaa"), [1, 2], [1, 2], typing("a")), [
    { op: "text", block: 1, offset: 2, delete: 0, insert: [{ text: "a", marks: {} }] },
  ]);
});

test("half a surrogate pair is never told", () => {
  const state = stateOf(paragraphs("😀"));
  const tr = state.tr.step(new ReplaceStep(2, 3, new Slice(Fragment.from(schema.text("😁"[1] ?? "")), 0, 0)));
  assert.deepEqual(editsOf(tr), [{ op: "text", block: 0, offset: 0, delete: 2, insert: [{ text: "😁", marks: {} }] }]);
});

test("Enter is a split, and Backspace at the start a join", () => {
  assert.deepEqual(editsAfter(paragraphs("ab"), [0, 1], [0, 1], enter), [{ op: "split", block: 0, offset: 1, shape: shape("paragraph") }]);
  assert.deepEqual(editsAfter(paragraphs("a", "b"), [1, 0], [1, 0], baseKeymap.Backspace as Command), [{ op: "join", block: 1 }]);
});

test("Enter in a list makes the next item", () => {
  const items = paragraphs("one").map((block) => ({ ...block, shape: shape("unordered-list-item") }));
  assert.deepEqual(editsAfter(items, [0, 3], [0, 3], enter), [{ op: "split", block: 0, offset: 3, shape: shape("unordered-list-item") }]);
});

test("lists and headings change shapes only", () => {
  const blocks = paragraphs("a", "b", "c");
  assert.deepEqual(editsAfter(blocks, [0, 0], [1, 1], commandNamed("bulleted") as Command), [
    { op: "shape", block: 0, shape: shape("unordered-list-item") },
    { op: "shape", block: 1, shape: shape("unordered-list-item") },
  ]);
  assert.deepEqual(editsAfter(blocks, [1, 0], [1, 0], commandNamed("heading", 2) as Command), [
    { op: "shape", block: 1, shape: shape("heading", [], { level: 2 }) },
  ]);
});

test("a mark across blocks is one edit for each", () => {
  assert.deepEqual(editsAfter(paragraphs("ab", "", "cd"), [0, 1], [2, 1], commandNamed("strong") as Command), [
    { op: "mark", block: 0, from: 1, to: 2, name: "strong", value: true },
    { op: "mark", block: 2, from: 0, to: 1, name: "strong", value: true },
  ]);
});

test("deleting across blocks joins them and keeps the rest in place", () => {
  assert.deepEqual(editsAfter(paragraphs("abc", "mid", "xyz"), [0, 2], [2, 1], baseKeymap.Backspace as Command), [
    { op: "text", block: 2, offset: 0, delete: 1, insert: [] },
    { op: "join", block: 2 },
    { op: "text", block: 1, offset: 0, delete: 3, insert: [] },
    { op: "join", block: 1 },
    { op: "text", block: 0, offset: 2, delete: 1, insert: [] },
  ]);
});

test("blocks before the first are inserted and removed whole", () => {
  const state = stateOf(paragraphs("a"));
  const insertion = state.tr.insert(0, documentOf(paragraphs("new", "")).content);
  assert.deepEqual(editsOf(insertion), [{ op: "blocks", from: 0, count: 0, blocks: paragraphs("new", "") }]);
  const deletion = state.apply(insertion).tr.delete(0, 7);
  assert.deepEqual(editsOf(deletion), [{ op: "blocks", from: 0, count: 2, blocks: [] }]);
});

test("a step that hides what it did costs a replacement, not the document", () => {
  class Opaque extends Step {
    override apply(doc: Node) {
      return StepResult.ok(doc.copy(documentOf(paragraphs("other")).content));
    }
    override getMap = () => StepMap.empty;
    override invert = () => this;
    override map = () => this;
    override toJSON = () => ({});
  }
  const before = replacements;
  const state = stateOf(paragraphs("this", "that"));
  assert.deepEqual(editsOf(state.tr.step(new Opaque())), [{ op: "blocks", from: 0, count: 2, blocks: paragraphs("other") }]);
  assert.equal(replacements, before + 1);
});

const commands: ((r: Random) => Command)[] = [
  (r) => typing(r.pick(["a", "b", "😀", "two words"])),
  () => enter,
  () => enter,
  () => chainCommands(backspace, baseKeymap.Backspace as Command),
  () => baseKeymap.Delete as Command,
  (r) => insertPicture({ src: "attachment:AQ", alt: r.pick([null, "", "A leaf"]), width: 4, height: 3 }),
  (r) => (state, dispatch) => {
    const at = pictureAt(state);
    return at !== null && changePicture(at.block, { ...at.picture, alt: r.pick([null, "A tree"]) })(state, dispatch);
  },
  () => commandNamed("bulleted") as Command,
  () => commandNamed("numbered") as Command,
  () => commandNamed("indent") as Command,
  () => commandNamed("indent") as Command,
  () => commandNamed("outdent") as Command,
  () => commandNamed("paragraph") as Command,
  (r) => commandNamed("heading", 1 + r.below(3)) as Command,
  (r) => commandNamed(r.pick(["check", "check", "quote", "callout", "code-block", "divider", "math-block"])) as Command,
  () => toggleChecked,
  (r) => commandNamed(r.pick(["table", "row-above", "row-below", "delete-row", "delete-table", "header-row"])) as Command,
  (r) => commandNamed(r.pick(["column-before", "column-after", "delete-column"])) as Command,
  (r) => chainCommands(goToCell(1), belowTable, abovePicture, emptyCells, typing(r.pick(["c", "d"]))),
  () => commandNamed("strong") as Command,
  (r) => commandNamed(r.pick(["underline", "strikethrough", "code", "highlight", "math", "subscript", "superscript"])) as Command,
  (r) => commandNamed("link", r.pick(["https://example.org/", ""])) as Command,
  () => commandNamed("em") as Command,
  () => commandNamed("undo") as Command,
  () => commandNamed("undo") as Command,
  () => commandNamed("redo") as Command,
  (r) => (state, dispatch) => {
    const source = documentOf(randomBlocks(r, r.below(3) === 0));
    const from = r.below(source.content.size);
    dispatch?.(state.tr.replaceSelection(source.slice(from, from + r.below(source.content.size - from + 1), true)));
    return true;
  },
  (r) => (state, dispatch) => {
    // Drag and drop, and deletions that begin or end between blocks.
    const from = r.below(state.doc.content.size);
    const to = from + r.below(state.doc.content.size - from + 1);
    dispatch?.(state.tr.deleteRange(from, to));
    return true;
  },
];

test("a table that is pasted without markers gets one for each row", () => {
  const cell = (text: string) => schema.node("table_cell", null, [schema.node("paragraph", null, schema.text(text))]);
  const pasted = schema.node("table", null, [schema.node("table_row", null, [cell("a"), cell("b")]), schema.node("table_row", null, [cell("c"), cell("d")])]);
  const state = stateOf(paragraphs(""));
  const { state: after } = state.applyTransaction(state.tr.replaceSelection(new Slice(Fragment.from(pasted), 0, 0)));
  const types = (state: EditorState) => flatten(state.doc.content).slice(0, 4).map(({ shape }) => [...shape.parents, shape.type].join("/"));
  assert.deepEqual(types(after), ["table-row", "table-row/table-cell", "table-row", "table-row/table-cell"]);
  let now = select(after, [3, 0], [3, 0]);
  const header = () => flatten(now.doc.content)[0]?.shape.attrs.header;
  const toggle = commandNamed("header-row") as Command;
  toggle(now, (tr) => void (now = now.apply(tr)));
  assert.equal(header(), true);
  toggle(now, (tr) => void (now = now.apply(tr)));
  assert.equal(header(), undefined);
});

test("what is pasted as unknown, but is not, becomes a paragraph", () => {
  for (const [type, parents] of [["table-cell", ["table-row"]], ["paragraph", []], ["unordered-list-item", []], ["heading", ["blockquote"]]] as const) {
    const pasted = schema.node("foreign", { shape: shape(type, [...parents]), nested: parents.length === 0 }, [schema.text("x")]);
    const state = stateOf(paragraphs("a", "b"));
    const { doc } = state.apply(state.tr.insert(3, pasted));
    assert(documentOf(flatten(doc.content)).eq(doc), `${type} in ${parents}: ${doc}`);
  }
});

test("a paragraph is copied with its tick and its language, and a row with its headings", () => {
  const attributes = (data: object) => {
    const made = schema.nodes.paragraph.spec.toDOM?.(schema.node("paragraph", { data })) as [string, Record<string, string>];
    const dataset = Object.fromEntries(Object.entries(made[1]).map(([name, value]) => [name.replace("data-", ""), value]));
    const [rule] = schema.nodes.paragraph.spec.parseDOM ?? [];
    const element = { dataset, getAttribute: (name: string) => made[1][name] ?? null, closest: () => element };
    return rule?.getAttrs?.(element as unknown as HTMLElement & string);
  };
  for (const data of [{}, { checked: true }, { checked: false }, { header: true }, { lang: "sw", checked: true }]) assert.deepEqual(attributes(data), { data });
});

test("after any commands the edits lead to what is shown, in the one form it has", () => {
  const before = replacements;
  const seen: Record<string, number> = {};
  for (let seed = Number(process.env.FROM ?? 0); seed < Number(process.env.TO ?? 400); seed++) {
    const r = random(seed);
    const blocks = randomBlocks(r, seed % 2 > 0);
    let state = stateOf(blocks);
    const units = unitsOf(blocks);
    for (let turn = 0; turn < 25; turn++) {
      const point = (): [number, number] => [r.below(countBlocks(state.doc)), r.below(6)];
      const anchor = point();
      state = select(state, anchor, r.below(2) === 0 ? anchor : point());
      const dispatch = (tr: Transaction) => {
        const applied = state.applyTransaction(tr);
        for (const edit of applied.transactions.flatMap(editsOf)) {
          seen[edit.op] = (seen[edit.op] ?? 0) + 1;
          applyToUnits(units, edit);
        }
        state = applied.state;
      };
      r.pick(commands)(r)(state, dispatch);
      state.doc.check();
      const shown = flatten(state.doc.content);
      assert.deepEqual(shown, blocksOf(units), `seed ${seed}, turn ${turn}`);
      assert(documentOf(shown).eq(state.doc), `one form: seed ${seed}, turn ${turn}: ${state.doc} ${documentOf(shown)}`);
    }
  }
  for (const op of ["text", "mark", "split", "join", "shape", "blocks"]) assert((seen[op] ?? 0) > 50, `${op} was hardly tried: ${seen[op]}`);
  assert.equal(replacements, before, "each step had a smaller description");
});
