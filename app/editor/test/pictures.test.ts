import assert from "node:assert/strict";
import { test } from "node:test";
import { baseKeymap, chainCommands } from "prosemirror-commands";
import { history } from "prosemirror-history";
import { Fragment, Slice } from "prosemirror-model";
import { type Command, EditorState, NodeSelection, TextSelection } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { documentOf, flatten } from "../src/blocks.ts";
import { canonicalForm } from "../src/canonical.ts";
import { commandNamed, formattingOf } from "../src/commands.ts";
import { selectedText } from "../src/comments.ts";
import { editsOf, replacements } from "../src/edits.ts";
import { figures } from "../src/figures.ts";
import { backspace, enter } from "../src/keyboard.ts";
import { applied } from "../src/own_step.ts";
import { abovePicture, changePicture, insertPicture, pictureAt } from "../src/picture_commands.ts";
import { PictureCopies } from "../src/picture_copies.ts";
import { withoutOpenPictures } from "../src/picture_paste.ts";
import { pictureOf } from "../src/pictures.ts";
import { placeOf, positionOf } from "../src/points.ts";
import { remoteTransaction } from "../src/remote.ts";
import { schema } from "../src/schema.ts";
import { undoing } from "../src/undo.ts";
import type { Block, Edit, Picture, PictureWords, Shape } from "../src/types.ts";

const leaf: Picture = { src: "attachment:AQ", alt: "A leaf", width: 40, height: 30 };
const said = { ...leaf };

function block(type: string, text = "", attrs: Shape["attrs"] = {}, parents: string[] = []): Block {
  return { shape: { type, parents, attrs, isEmbed: type === "image" }, runs: text === "" ? [] : [{ text, marks: {} }] };
}

const line = (text: string) => block("paragraph", text);
const picture = (text = "", attrs: Shape["attrs"] = said) => block("image", text, attrs);

/** A page, with the caret in one of its blocks. */
class Desk {
  edits: Edit[] = [];
  state: EditorState;

  constructor(blocks: Block[], at: number, offset = 999) {
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [undoing(), history(), canonicalForm()] });
    this.state = state.apply(state.tr.setSelection(TextSelection.create(state.doc, positionOf(state.doc, { block: at, offset }))));
  }

  run(command: Command | null): this {
    assert(command?.(this.state, this.dispatch), "the command applies");
    return this;
  }

  dispatch = (tr: EditorState["tr"]) => {
    const { state, transactions } = applied(this.state, tr);
    this.edits.push(...transactions.filter((part) => !part.getMeta("remote")).flatMap(editsOf));
    this.state = state;
    state.doc.check();
  };

  get blocks(): Block[] {
    return flatten(this.state.doc.content);
  }

  /** Each block's type, with its parents, and its text. */
  get shown(): string[] {
    return this.blocks.map(({ shape, runs }) => `${[...shape.parents, shape.type].join("/")}: ${runs.map((run) => run.text).join("")}`);
  }

  get caret(): number {
    return this.state.selection.from;
  }
}

test("a picture is a block, and its text is the line under it", () => {
  const blocks = [picture("Found in June", { ...said, lang: "sw", "x-other": 7 }), line("")];
  const doc = documentOf(blocks);
  assert.equal(doc.toString(), 'doc(image("Found in June"), paragraph)');
  assert.deepEqual(flatten(doc.content), blocks);
  // What another program calls so, and does not take for one, is not known.
  const other = [{ ...picture("x"), shape: { ...picture().shape, isEmbed: false } }];
  assert.equal(documentOf(other).firstChild?.type.name, "foreign");
  assert.deepEqual(flatten(documentOf(other).content), other);
});

test("whatever a foreign document says of a picture, it has a form", () => {
  const of = (attrs: Shape["attrs"]) => pictureOf(placeOf(documentOf([picture("", attrs)]), 0).node);
  assert.deepEqual(of(said), leaf);
  const nothing = { src: "", alt: null, width: null, height: null };
  assert.deepEqual(of({}), nothing);
  assert.deepEqual(of({ src: 7, alt: null, width: -1, height: 1.5 }), nothing);
  assert.deepEqual(of({ src: true, alt: false, width: "9", height: 0 }), nothing);
});

test("a picture comes behind the block, or in the place of a spare line, in its language", () => {
  const before = replacements;
  const put = (desk: Desk) => desk.run(insertPicture(leaf));
  const behind = put(new Desk([line("one"), line("two")], 0));
  assert.deepEqual(behind.edits, [{ op: "split", block: 0, offset: 3, shape: picture().shape }]);
  assert.deepEqual(behind.shown, ["paragraph: one", "image: ", "paragraph: two"]);
  assert.equal(behind.caret, positionOf(behind.state.doc, { block: 1, offset: 0 }));

  const last = put(new Desk([line("one")], 0));
  assert.deepEqual(last.shown, ["paragraph: one", "image: ", "paragraph: "]);
  assert.deepEqual(last.edits.map(({ op }) => op), ["split", "split"]);

  const spare = put(new Desk([line("one"), block("paragraph", "", { lang: "sw" }), line("two")], 1));
  assert.deepEqual(spare.edits, [{ op: "shape", block: 1, shape: { ...picture().shape, attrs: { lang: "sw", ...said } } }]);

  // The paragraph that an item begins with carries its marker.
  const item = put(new Desk([block("unordered-list-item"), line("two")], 0));
  assert.deepEqual(item.shown, ["unordered-list-item: ", "unordered-list-item/image: ", "paragraph: two"]);
  const cell = put(new Desk([block("table-row"), block("table-cell", "b", {}, ["table-row"]), line("")], 0));
  assert.deepEqual(cell.shown, ["table-row: ", "table-row/image: ", "table-row/table-cell: b", "paragraph: "]);
  assert.equal(replacements, before);
});

test("putting a picture in is undone as one step, and done again", () => {
  for (const blocks of [[line("one")], [line("")], [line("one"), line("two")]]) {
    const desk = new Desk(blocks, 0).run((state, dispatch) => (dispatch?.(state.tr.insertText("x")), true)).run(insertPicture(leaf));
    const shown = desk.shown;
    assert(shown.some((text) => text.startsWith("image")));
    desk.run(commandNamed("undo"));
    assert.deepEqual(desk.blocks.map(({ shape }) => shape.type), blocks.map(() => "paragraph"));
    assert.equal(desk.run(commandNamed("redo")).shown.join(), shown.join());
  }
});

test("a picture can be described, and what others say of it stays", () => {
  const desk = new Desk([line("one"), picture("cap", { ...said, id: "x" })], 1).run(changePicture(1, { ...leaf, alt: null, width: 80 }));
  assert.deepEqual(desk.edits, [{ op: "shape", block: 1, shape: { ...picture().shape, attrs: { id: "x", src: leaf.src, width: 80, height: 30 } } }]);
  assert.throws(() => changePicture(0, leaf)(desk.state), RangeError);
  assert.throws(() => changePicture(2, leaf)(desk.state), RangeError);
  const others: Edit = { op: "shape", block: 1, shape: { ...picture().shape, attrs: { ...desk.blocks[1]?.shape.attrs, alt: "By others" } } };
  desk.dispatch(remoteTransaction(desk.state, [others]));
  desk.run(commandNamed("undo"));
  assert.deepEqual(desk.blocks[1]?.shape.attrs, { id: "x", src: leaf.src, width: 40, height: 30, alt: "By others" });
});

test("the picture that the selection begins in is told", () => {
  const blocks = [line("one"), picture("cap"), line("two")];
  const desk = new Desk(blocks, 1);
  assert.deepEqual(pictureAt(desk.state), { block: 1, picture: leaf });
  assert.deepEqual(formattingOf(desk.state).picture, leaf);
  assert.equal(formattingOf(desk.state).block, "image");
  const whole = desk.state.apply(desk.state.tr.setSelection(NodeSelection.create(desk.state.doc, 5)));
  assert.deepEqual(pictureAt(whole), { block: 1, picture: leaf });
  assert.deepEqual(selectedText(whole), { from: 6, to: 9 });
  const bare = new Desk([picture(), line("two")], 0).state;
  assert.equal(selectedText(bare.apply(bare.tr.setSelection(NodeSelection.create(bare.doc, 0)))), null);
  for (const other of [0, 2]) assert.equal(pictureAt(new Desk(blocks, other).state), null);
});

test("what is composed with a picture selected belongs under it", () => {
  const desk = new Desk([line("one"), picture("cap"), line("two")], 0);
  const plugin = figures({ pictures: {} as PictureWords, showPicture: () => {}, onDescribe: () => {} }, new PictureCopies());
  const begin = () => {
    const handle = plugin.props.handleDOMEvents?.compositionstart;
    assert.equal(handle?.call(plugin, desk as unknown as EditorView, {} as CompositionEvent), false);
  };
  begin();
  assert.equal(desk.caret, 4);
  desk.state = desk.state.apply(desk.state.tr.setSelection(NodeSelection.create(desk.state.doc, 5)));
  begin();
  assert(desk.state.selection instanceof TextSelection && desk.state.selection.empty);
  assert.equal(desk.caret, positionOf(desk.state.doc, { block: 1, offset: 3 }));
});

test("no style takes a picture away", () => {
  const blocks = [line("one"), picture("cap"), line("two")];
  for (const name of ["paragraph", "heading", "code-block", "math-block", "bulleted", "numbered", "check", "quote", "callout"]) {
    const desk = new Desk(blocks, 0);
    desk.state = desk.state.apply(desk.state.tr.setSelection(TextSelection.create(desk.state.doc, 1, desk.state.doc.content.size - 1)));
    commandNamed(name, 1)?.(desk.state, desk.dispatch);
    const kept = desk.blocks.find(({ shape }) => shape.isEmbed);
    assert.deepEqual(kept?.shape.attrs, said, name);
    assert.equal(desk.shown.length, 3, name);
  }
});

test("Enter goes on below a picture, and up leads above one that begins the page", () => {
  const end = new Desk([picture("cap"), line("two")], 0).run(enter);
  assert.deepEqual(end.edits, [{ op: "split", block: 0, offset: 3, shape: line("").shape }]);
  const middle = new Desk([picture("cap"), line("two")], 0, 1).run(enter);
  assert.deepEqual(middle.shown, ["image: c", "paragraph: ap", "paragraph: two"]);
  const item = new Desk([block("unordered-list-item", "a"), block("image", "cap", said, ["unordered-list-item"])], 1).run(enter);
  assert.deepEqual(item.shown, ["unordered-list-item: a", "unordered-list-item/image: cap", "unordered-list-item/paragraph: "]);
  const above = new Desk([picture("cap")], 0).run(abovePicture);
  assert.deepEqual(above.shown, ["paragraph: ", "image: cap"]);
  assert.equal(above.caret, 1);
  assert(!abovePicture(new Desk([line(""), picture("cap")], 1).state));
});

test("Backspace under a picture takes it away and leaves the line; beside it, it is selected first", () => {
  const back = chainCommands(backspace, baseKeymap.Backspace as Command);
  const under = new Desk([line("one"), picture("cap")], 1, 0).run(back);
  assert.deepEqual(under.shown, ["paragraph: one", "paragraph: cap"]);
  assert.deepEqual(under.blocks[1]?.shape.attrs, {});
  const behind = new Desk([picture("cap"), line("two")], 1, 0).run(back);
  assert(behind.state.selection instanceof NodeSelection);
  assert.deepEqual(behind.edits, []);
  assert.deepEqual(behind.run(back).shown, ["paragraph: two"]);
  const before = new Desk([line("one"), picture("cap"), line("")], 0).run(baseKeymap.Delete as Command);
  assert(before.state.selection instanceof NodeSelection);
  assert.deepEqual(before.run(back).shown, ["paragraph: one", "paragraph: "]);
  // A line without text goes, the picture stays.
  assert.deepEqual(new Desk([picture("cap"), line(""), line("x")], 1).run(back).shown, ["image: cap", "paragraph: x"]);
});

test("a picture that is selected stays so while others write around it, and until they take it away", () => {
  const desk = new Desk([line("one"), picture("cap"), line("two")], 0);
  desk.state = desk.state.apply(desk.state.tr.setSelection(NodeSelection.create(desk.state.doc, 5)));
  const others = (...edits: Edit[]) => desk.dispatch(remoteTransaction(desk.state, edits));
  const typed = (block: number): Edit => ({ op: "text", block, offset: 0, delete: 0, insert: [{ text: "new ", marks: {} }] });
  others(typed(0), typed(1), { op: "blocks", from: 0, count: 0, blocks: [line("above"), block("blockquote", "quoted")] });
  others({ op: "split", block: 2, offset: 2, shape: line("").shape }, { op: "shape", block: 3, shape: block("heading", "", { level: 1 }).shape });
  assert.deepEqual(pictureAt(desk.state), { block: 4, picture: leaf });
  assert(desk.state.selection instanceof NodeSelection);
  others({ op: "shape", block: 4, shape: { ...picture().shape, attrs: { ...said, alt: "Another" } } });
  assert.equal(pictureAt(desk.state)?.picture.alt, "Another");
  others({ op: "blocks", from: 3, count: 2, blocks: [] });
  assert.equal(pictureAt(desk.state), null);
});

test("words that are copied out of the line under a picture take no picture along", () => {
  const { doc } = new Desk([line("one"), picture("caption"), line("two"), block("unordered-list-item", "item"), block("image", "in it", said, ["unordered-list-item"])], 0).state;
  const at = (block: number, offset: number) => positionOf(doc, { block, offset });
  const copied = (from: number, to: number) => withoutOpenPictures(doc.slice(from, to, true)).toString();
  assert.equal(copied(at(1, 0), at(1, 3)), '<paragraph("cap")>(1,1)');
  assert.equal(copied(at(1, 3), at(2, 1)), '<paragraph("tion"), paragraph("t")>(1,1)');
  assert.equal(copied(at(0, 1), at(1, 3)), '<paragraph("ne"), image("cap")>(1,0)');
  assert.equal(copied(at(4, 0), at(4, 2)), '<bullet_list(list_item(paragraph("in")))>(3,3)');
  assert.equal(copied(at(3, 0), at(4, 2)), '<bullet_list(list_item(paragraph("item"), image("in")))>(3,2)');
  const whole = new Slice(Fragment.from(placeOf(doc, 1).node), 0, 0);
  assert(withoutOpenPictures(whole).eq(whole));
});

test("a picture is copied as what it says", () => {
  const made = (data: Shape["attrs"]) => schema.nodes.image.spec.toDOM?.(schema.node("image", { data })) as readonly unknown[];
  assert.deepEqual(made({ ...said, lang: "sw", id: "x" }), [
    "figure",
    { lang: "sw" },
    ["img", { src: "attachment:AQ", alt: "A leaf", width: 40, height: 30 }],
    ["figcaption", { dir: "auto" }, 0],
  ]);
  assert.deepEqual(made({ alt: "" })[2], ["img", { src: "", alt: "" }]);
});
