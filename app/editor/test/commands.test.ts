import assert from "node:assert/strict";
import { test } from "node:test";
import { baseKeymap, chainCommands } from "prosemirror-commands";
import { history } from "prosemirror-history";
import { AllSelection, type Command, EditorState, TextSelection } from "prosemirror-state";
import { documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { commandNamed, formattingOf } from "../src/commands.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { backspace, enter } from "../src/keyboard.ts";
import { toggleChecked } from "../src/lists.ts";
import { applied } from "../src/own_step.ts";
import { positionOf } from "../src/points.ts";
import { emptyCells, goToCell, wholeTables } from "../src/tables.ts";
import { typing } from "../src/typing.ts";
import { typed } from "./typed.ts";
import type { Block, Edit, Marks } from "../src/types.ts";

/** A page with the caret at the end of a block, on which a person types, presses keys and uses the toolbar. */
class Desk {
  edits: Edit[] = [];
  state: EditorState;

  constructor(blocks: Block[], block = 0) {
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [wholeTables(), typing(), history(), canonicalForm()] });
    this.state = state.apply(state.tr.setSelection(TextSelection.create(state.doc, positionOf(state.doc, { block, offset: 999 }))));
  }

  /** As the view does it: a rule may take the letter, and it is inserted otherwise. */
  type(text: string): this {
    for (const letter of text) this.write(letter);
    return this;
  }

  /** Text that comes at once. */
  write(text: string): this {
    typed(this, this.dispatch, text);
    return this;
  }

  run(command: Command | null): this {
    assert(command?.(this.state, this.dispatch), "the command applies");
    return this;
  }

  select(from: [number, number], to: [number, number]): this {
    const at = ([block, offset]: [number, number]) => positionOf(this.state.doc, { block, offset });
    this.state = this.state.apply(this.state.tr.setSelection(TextSelection.create(this.state.doc, at(from), at(to))));
    return this;
  }

  private dispatch = (tr: EditorState["tr"]) => {
    const { state, transactions } = applied(this.state, tr);
    this.edits.push(...transactions.flatMap(editsOf));
    this.state = state;
    state.doc.check();
  };

  /** Each block as its parents, its type, its attributes and its text with marks. */
  get shown(): string[] {
    return flatten(this.state.doc.content).map(({ shape, runs }) => {
      const attrs = Object.entries(shape.attrs).map(([name, value]) => `${name}=${value}`);
      const marked = ({ text, marks }: { text: string; marks: Marks }) => Object.keys(marks).reduce((inner, name) => `<${name}>${inner}</>`, text);
      return `${[...shape.parents, shape.type].join("/")}${attrs.length > 0 ? `[${attrs}]` : ""}: ${runs.map(marked).join("")}`;
    });
  }
}

const shape = (type: string, parents: string[] = [], attrs = {}) => ({ type, parents, attrs, isEmbed: false });
const block = (text: string, type = "paragraph", parents: string[] = [], attrs = {}): Block => ({
  shape: shape(type, parents, attrs),
  runs: text === "" ? [] : [{ text, marks: {} }],
});
const back = chainCommands(backspace, baseKeymap.Backspace as Command);

test("Markdown that comes all at once is what it would be as it is typed", () => {
  const at = (text: string, from: number, to: number, written: string) => {
    const desk = new Desk([block(text)]).select([0, from], [0, to]);
    return desk.write(written).shown[0];
  };
  assert.equal(at("ab", 0, 0, "$x$"), "paragraph: <math>x</>ab");
  assert.equal(at("a b", 2, 2, "**x**"), "paragraph: a <strong>x</>b");
  assert.equal(at("a **x", 5, 5, "**"), "paragraph: a <strong>x</>");
  assert.equal(at("a *", 3, 3, "x*"), "paragraph: a <em>x</>");
  assert.equal(at("old", 0, 3, "`c`"), "paragraph: <code>c</>");
  assert.equal(at("`cold", 2, 5, "`"), "paragraph: <code>c</>");
});

test("Markdown typed at the beginning becomes a block", () => {
  const after = (text: string) => new Desk([block("")]).type(text).shown;
  assert.deepEqual(after("# One"), ["heading[level=1]: One"]);
  assert.deepEqual(after("### Three"), ["heading[level=3]: Three"]);
  assert.deepEqual(after("#### four"), ["paragraph: #### four"]);
  assert.deepEqual(after("- item"), ["unordered-list-item: item"]);
  assert.deepEqual(after("1. item"), ["ordered-list-item: item"]);
  assert.deepEqual(after("[] item"), ["unordered-list-item[checked=false]: item"]);
  assert.deepEqual(after("> words"), ["blockquote: words"]);
  assert.deepEqual(after("```x"), ["code-block: x"]);
  assert.deepEqual(after("$$ x^2"), ["math-block: x^2"]);
  assert.deepEqual(after("---below"), ["divider: below"]);
  assert.deepEqual(after("a # b"), ["paragraph: a # b"]);
});

test("characters for a list that is there already go, and it stays", () => {
  const twice = (characters: string) => new Desk([block("")]).type(`${characters} a`).run(enter).type(`${characters} b`).shown;
  assert.deepEqual(twice("-"), ["unordered-list-item: a", "unordered-list-item: b"]);
  assert.deepEqual(twice("1."), ["ordered-list-item: a", "ordered-list-item: b"]);
  assert.deepEqual(twice("[]"), ["unordered-list-item[checked=false]: a", "unordered-list-item[checked=false]: b"]);
  assert.deepEqual(twice(">"), ["blockquote: a", "blockquote/paragraph: b"]);
  assert.deepEqual(new Desk([block("a", "unordered-list-item")]).run(enter).type("- ").run(back).type("b").shown, [
    "unordered-list-item: a",
    "unordered-list-item: - b",
  ]);
});

test("Markdown typed around text becomes a mark, and what follows is plain", () => {
  const after = (text: string) => new Desk([block("")]).type(text).shown[0];
  assert.equal(after("a **b c** d"), "paragraph: a <strong>b c</> d");
  assert.equal(after("a *b* c"), "paragraph: a <em>b</> c");
  assert.equal(after("_b_ c"), "paragraph: <em>b</> c");
  assert.equal(after("`let x` y"), "paragraph: <code>let x</> y");
  assert.equal(after("~~no~~ yes"), "paragraph: <strikethrough>no</> yes");
  assert.equal(after("so $x^2$ is"), "paragraph: so <math>x^2</> is");
  assert.equal(after("costs $5 or $6"), "paragraph: costs $5 or $6");
  assert.equal(after("==see== this"), "paragraph: <highlight>see</> this");
  assert.equal(after("snake_case_name 2*3*4 `a *b* c`"), "paragraph: snake_case_name 2*3*4 <code>a *b* c</>");
});

test("what only looks like Markdown stays as it was typed", () => {
  const same = ["имя_файла_тут", "слово*а*б", "नाम_फ़ाइल_यहाँ", "if x==y and y==z then", "a~~b~~c", "costs $5-$10 now", "$5/$10", "$5, $10", "$5-$"];
  for (const text of same) assert.deepEqual(new Desk([block("")]).type(text).shown, [`paragraph: ${text}`]);
  assert.deepEqual(new Desk([block("10")]).select([0, 0], [0, 0]).type("$5$").shown, ["paragraph: $5$10"]);
  assert.deepEqual(new Desk([block("")]).type("(==да==) $5$ $2+x$").shown, ["paragraph: (<highlight>да</>) <math>5</> <math>2+x</>"]);
});

test("nothing becomes formatting in code", () => {
  assert.deepEqual(new Desk([block("", "code-block")]).type("# **a** - b").shown, ["code-block: # **a** - b"]);
});

test("Backspace right after gives the characters back", () => {
  assert.deepEqual(new Desk([block("")]).type("- ").run(back).shown, ["paragraph: - "]);
  assert.deepEqual(new Desk([block("")]).type("**b**").run(back).shown, ["paragraph: **b**"]);
});

test("Enter goes on with a list, and leaves it from an empty item", () => {
  const desk = new Desk([block("")]).type("[] milk").run(toggleChecked).run(enter).type("bread");
  assert.deepEqual(desk.shown, ["unordered-list-item[checked=true]: milk", "unordered-list-item[checked=false]: bread"]);
  desk.run(enter).run(enter).type("text");
  assert.deepEqual(desk.shown.at(-1), "paragraph: text");
  assert.deepEqual(new Desk([block("ab", "unordered-list-item", [], { checked: true })]).select([0, 1], [0, 1]).run(enter).shown, [
    "unordered-list-item[checked=true]: a",
    "unordered-list-item[checked=false]: b",
  ]);
});

test("Enter on an empty last line leaves a code block", () => {
  const desk = new Desk([block("", "code-block")]).type("x").run(enter).run(enter).type("text");
  assert.deepEqual(desk.shown, ["code-block: x", "paragraph: text"]);
});

test("Enter in the middle of the text under a rule makes a paragraph", () => {
  const after = (offset: number) => new Desk([block("under", "divider")]).select([0, offset], [0, offset]).run(enter).shown;
  assert.deepEqual(after(2), ["divider: un", "paragraph: der"]);
  assert.deepEqual(after(5), ["divider: under", "paragraph: "]);
  assert.deepEqual(after(0), ["paragraph: ", "divider: under"]);
});

test("what is selected in and out of lists becomes all of one kind", () => {
  const mixed = () => [block("a"), block("b", "unordered-list-item"), block("c", "unordered-list-item", ["unordered-list-item"]), block("d", "ordered-list-item")];
  const after = (from: number, to: number, name: string) => new Desk(mixed()).select([from, 0], [to, 1]).run(commandNamed(name, 1)).shown;
  const all = (shape: string) => ["a", "b", "c", "d"].map((text) => `${shape}: ${text}`);
  assert.deepEqual(after(0, 3, "bulleted"), all("unordered-list-item"));
  assert.deepEqual(after(0, 3, "numbered"), all("ordered-list-item"));
  assert.deepEqual(after(0, 3, "check"), all("unordered-list-item[checked=false]"));
  assert.deepEqual(after(0, 3, "heading"), all("heading[level=1]"));
  assert.deepEqual(after(0, 3, "paragraph"), all("paragraph"));
  assert.deepEqual(after(0, 3, "callout"), ["aside: a", "aside/paragraph: b", "aside/paragraph: c", "aside/paragraph: d"]);
  assert.deepEqual(after(2, 3, "paragraph"), ["paragraph: a", "unordered-list-item: b", "paragraph: c", "paragraph: d"]);
  assert.deepEqual(new Desk([block("a"), block("b", "unordered-list-item")]).select([0, 0], [1, 1]).run(commandNamed("bulleted")).shown, [
    "unordered-list-item: a",
    "unordered-list-item: b",
  ]);
  const ticked = new Desk([block("a"), block("b", "unordered-list-item", [], { checked: true })]).select([0, 0], [1, 1]);
  assert.deepEqual(ticked.run(commandNamed("check")).shown, ["unordered-list-item[checked=false]: a", "unordered-list-item[checked=true]: b"]);
  const callout = new Desk([block("a"), block("b", "aside"), block("c", "paragraph", ["aside"])]).select([0, 0], [2, 1]);
  assert.deepEqual(callout.run(commandNamed("heading", 2)).shown, ["heading[level=2]: a", "heading[level=2]: b", "heading[level=2]: c"]);
});

test("one kind of list becomes another, and a check list loses its boxes", () => {
  const desk = new Desk([block("a"), block("b")]).select([0, 0], [1, 1]).run(commandNamed("check"));
  assert.deepEqual(desk.shown, ["unordered-list-item[checked=false]: a", "unordered-list-item[checked=false]: b"]);
  assert.equal(formattingOf(desk.state).list, "check");
  desk.run(commandNamed("numbered"));
  assert.deepEqual(desk.shown, ["ordered-list-item: a", "ordered-list-item: b"]);
  desk.run(commandNamed("check")).run(commandNamed("bulleted"));
  assert.deepEqual(desk.shown, ["unordered-list-item: a", "unordered-list-item: b"]);
  desk.run(commandNamed("check")).run(commandNamed("check"));
  assert.deepEqual(desk.shown, ["paragraph: a", "paragraph: b"]);
});

test("quotes and callouts go around what is selected, lists whole, and away again", () => {
  const desk = new Desk([block("a"), block("b", "unordered-list-item"), block("c", "unordered-list-item")]).select([0, 0], [1, 0]);
  desk.run(commandNamed("quote"));
  assert.deepEqual(desk.shown, ["blockquote: a", "blockquote/unordered-list-item: b", "blockquote/unordered-list-item: c"]);
  assert.equal(formattingOf(desk.state).quote, true);
  desk.run(commandNamed("quote"));
  assert.deepEqual(desk.shown, ["paragraph: a", "unordered-list-item: b", "unordered-list-item: c"]);

  const callout = new Desk([block("a")]).run(commandNamed("callout"));
  assert.deepEqual(callout.shown, ["aside: a"]);
  assert.equal(formattingOf(callout.state).block, "callout");
  assert.deepEqual(callout.run(commandNamed("heading", 2)).shown, ["heading[level=2]: a"]);
});

test("Backspace at the beginning makes an ordinary paragraph first", () => {
  for (const type of ["heading", "divider", "code-block", "blockquote", "aside", "unordered-list-item"]) {
    const desk = new Desk([block("before"), block("a", type)]).select([1, 0], [1, 0]).run(back);
    assert.deepEqual(desk.shown, ["paragraph: before", "paragraph: a"], type);
    assert.deepEqual(desk.run(back).shown, ["paragraph: beforea"], type);
  }
});

test("text is written low or high, not both", () => {
  const desk = new Desk([block("H2O")]).select([0, 1], [0, 2]).run(commandNamed("superscript")).run(commandNamed("subscript"));
  assert.deepEqual(desk.shown, ["paragraph: H<subscript>2</>O"]);
  assert.deepEqual(formattingOf(desk.state).marks, ["subscript"]);
});

test("a mark is on only if all of the selection has it, and pressing it again completes it", () => {
  const desk = new Desk([block("abcd")]).select([0, 0], [0, 2]).run(commandNamed("underline")).select([0, 0], [0, 4]);
  assert.deepEqual(formattingOf(desk.state).marks, []);
  assert.deepEqual(desk.run(commandNamed("underline")).shown, ["paragraph: <underline>abcd</>"]);
  assert.deepEqual(desk.run(commandNamed("underline")).shown, ["paragraph: abcd"]);
});

test("a link is set, changed where the caret is in it, and removed", () => {
  const desk = new Desk([block("see here now")]).select([0, 4], [0, 8]).run(commandNamed("link", "https://a.example/"));
  assert.deepEqual(desk.shown, ["paragraph: see <link>here</> now"]);
  desk.select([0, 6], [0, 6]);
  assert.equal(formattingOf(desk.state).link, "https://a.example/");
  desk.run(commandNamed("link", "https://b.example/"));
  assert.equal(formattingOf(desk.state).link, "https://b.example/");
  assert.deepEqual(desk.run(commandNamed("link", "")).shown, ["paragraph: see here now"]);
  assert.deepEqual(new Desk([block("")]).run(commandNamed("link", "https://a.example/")).shown, ["paragraph: <link>https://a.example/</>"]);
});

/** A table as text: rows under each other, the headings' row with a star. */
function tableOf(desk: Desk): string {
  const table = desk.state.doc.content.content.find((node) => node.type.name === "table");
  const rows = (table?.content.content ?? []).map((row) => {
    const cells = row.content.content.map((cell) => cell.textBetween(0, cell.content.size, "+"));
    const header = (row.firstChild?.firstChild?.attrs.data as { header?: boolean }).header === true;
    return `${header ? "*" : ""}${cells.join("|")}`;
  });
  return rows.join(" / ");
}

/** A page with a table of letters, row by row, and the caret at the end of a cell. */
function tableDesk(rows: string[][], block: number): Desk {
  const blocks = rows.flatMap((row, r) =>
    row.map((text, column): Block => ({
      shape: column > 0 ? shape("table-cell", ["table-row"]) : shape("table-row", [], r === 0 ? { header: true } : {}),
      runs: [{ text, marks: {} }],
    })),
  );
  return new Desk([...blocks, ...[{ shape: shape("paragraph"), runs: [{ text: "after", marks: {} }] }]], block);
}

const abcd = [["a", "b"], ["c", "d"]];

test("a table takes an empty line's place, with a line below it, and Tab leads through it", () => {
  const desk = new Desk([block("")]).run(commandNamed("table")).type("name").run(goToCell(1)).type("age");
  assert.equal(tableOf(desk), "*name|age| / || / ||");
  assert.equal(desk.shown.at(-1), "paragraph: ");
  assert.equal(formattingOf(desk.state).table, true);
  for (let i = 0; i < 8; i++) desk.run(goToCell(1));
  assert.equal(tableOf(desk.type("new")), "*name|age| / || / || / new||");
  assert.equal(tableOf(desk.run(goToCell(-1)).type("old")), "*name|age| / || / ||old / new||");
});

test("rows and columns come and go, and the headings stay", () => {
  const after = (at: number, ...names: string[]) => tableOf(names.reduce((desk, name) => desk.run(commandNamed(name)), tableDesk(abcd, at)));
  assert.equal(after(0, "row-above"), "| / *a|b / c|d");
  assert.equal(after(0, "row-below"), "*a|b / | / c|d");
  assert.equal(after(0, "column-before"), "*|a|b / |c|d");
  assert.equal(after(0, "column-after"), "*a||b / c||d");
  assert.equal(after(3, "column-after"), "*a|b| / c|d|");
  assert.equal(after(0, "delete-row"), "c|d");
  assert.equal(after(2, "delete-row"), "*a|b");
  assert.equal(after(2, "delete-column"), "*b / d");
  assert.equal(after(3, "delete-column"), "*a / c");
  assert.equal(after(3, "delete-column", "delete-row"), "*a");
  assert.equal(after(3, "delete-column", "delete-column"), "");
  assert.equal(after(3, "header-row"), "a|b / c|d");
  assert.equal(after(3, "header-row", "header-row"), "*a|b / c|d");
  assert.equal(after(3, "delete-table"), "");
});

test("what is deleted over several cells leaves the table", () => {
  assert.equal(tableOf(tableDesk(abcd, 0).select([0, 0], [3, 0]).run(emptyCells)), "*| / |d");
  assert.equal(tableOf(tableDesk(abcd, 3).select([3, 1], [1, 1]).run(back)), "*a|b / |");
});

test("what is typed over several cells empties them and goes into the first", () => {
  assert.equal(tableOf(tableDesk(abcd, 0).select([0, 0], [3, 0]).type("xy")), "*xy| / |d");
  assert.equal(tableOf(tableDesk(abcd, 0).select([1, 1], [0, 0]).type("x")), "*x| / c|d");
  assert.equal(tableOf(tableDesk(abcd, 0).select([0, 0], [3, 1]).run(enter)), "*| / |");
});

test("a selection into a table or out of it leaves what is outside there", () => {
  const page = () => {
    const desk = tableDesk(abcd, 0);
    return new Desk([block("before"), ...flatten(desk.state.doc.content), block("last")]);
  };
  const after = (from: [number, number], to: [number, number], letter: string) => {
    const desk = page().select(from, to).type(letter);
    return [...desk.shown.filter((line) => !line.startsWith("table")), tableOf(desk)];
  };
  assert.deepEqual(after([4, 0], [6, 2], "x"), ["paragraph: before", "paragraph: st", "*a|b / c|x"]);
  assert.deepEqual(after([0, 3], [2, 1], "x"), ["paragraph: befx", "paragraph: after", "paragraph: last", "*| / c|d"]);
  assert.deepEqual(page().select([0, 3], [6, 2]).run(back).shown, ["paragraph: befst"]);
});

test("Backspace at the beginning of a cell does not join it with the one before", () => {
  const desk = tableDesk(abcd, 0).select([1, 0], [1, 0]);
  back(desk.state, () => assert.fail("nothing is deleted"));
});

test("no command replaces blocks whole", () => {
  const before = replacements;
  const page = () => [block("one"), block("two"), block("three", "unordered-list-item"), block("four", "heading", [], { level: 1 })];
  const names = ["strong", "code", "bulleted", "numbered", "check", "quote", "callout", "code-block", "paragraph", "heading", "divider"];
  for (const name of names) {
    for (const [from, to] of [[0, 0], [0, 1], [1, 3], [2, 2], [3, 3]] as const) {
      const desk = new Desk(page()).select([from, 0], [to, 2]).run(commandNamed(name, 2));
      assert(desk.edits.every((edit) => edit.op !== "blocks"), `${name} from ${from} to ${to}: ${JSON.stringify(desk.edits)}`);
    }
  }
  for (const name of ["row-above", "row-below", "column-before", "column-after", "delete-row", "delete-column"]) {
    for (const at of [1, 2, 3]) tableDesk(abcd, at).run(commandNamed(name));
  }
  assert.equal(replacements, before);
});

test("a list that is made across a table leaves its cells as they are", () => {
  const cell = (text: string, first: boolean) => (first ? block(text, "table-row") : block(text, "table-cell", ["table-row"]));
  const desk = new Desk([block("a"), cell("b", true), cell("c", false), block("d")]).select([0, 0], [3, 1]).run(commandNamed("check"));
  const cells = ["unordered-list-item/table-row: b", "unordered-list-item/table-row/table-cell: c"];
  assert.deepEqual(desk.shown, ["unordered-list-item[checked=false]: a", ...cells, "unordered-list-item[checked=false]: d"]);
});

test("with everything selected, a rule or a table comes under the first block", () => {
  const everything: Command = (state, dispatch) => {
    dispatch?.(state.tr.setSelection(new AllSelection(state.doc)));
    return true;
  };
  const after = (name: string) => new Desk([block("a"), block("b")]).run(everything).run(commandNamed(name)).shown.slice(0, 2);
  assert.deepEqual(after("divider"), ["paragraph: a", "divider: "]);
  assert.deepEqual(after("table"), ["paragraph: a", "table-row[header=true]: "]);
});

test("what is chosen right behind typing is a step of its own to undo", () => {
  const chosen: [string, string | number | undefined][] = [["heading", 3], ["bulleted", undefined], ["quote", undefined], ["strong", undefined]];
  for (const [name, value] of chosen) {
    const desk = new Desk([block("")]).type("Rivers").select([0, 0], [0, 6]);
    const before = desk.shown;
    desk.run(commandNamed(name, value));
    assert.notDeepEqual(desk.shown, before, name);
    assert.deepEqual(desk.run(commandNamed("undo")).shown, before, name);
    assert.deepEqual(desk.run(commandNamed("redo")).run(commandNamed("undo")).run(commandNamed("undo")).shown, ["paragraph: "], name);
  }
});

test("an item that is done can be typed as such", () => {
  assert.deepEqual(new Desk([block("")]).type("[x] milk").shown, ["unordered-list-item[checked=true]: milk"]);
  assert.deepEqual(new Desk([block("")]).type("[] milk").run(enter).type("[X] bread").shown, [
    "unordered-list-item[checked=false]: milk",
    "unordered-list-item[checked=true]: bread",
  ]);
});
