import assert from "node:assert/strict";
import { test } from "node:test";
import { Slice } from "prosemirror-model";
import { EditorState, TextSelection, type Transaction } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { documentOf, flatten } from "../src/blocks.ts";
import { PictureCopies } from "../src/picture_copies.ts";
import { attached, picturePaste } from "../src/picture_paste.ts";
import { positionOf } from "../src/points.ts";
import type { Block, Options, Picture } from "../src/types.ts";

const data = "data:image/png;base64,AAAA";
const picture = (src: string): Picture => ({ src, alt: null, width: null, height: null });

function block(type: string, text: string): Block {
  return { shape: { type, parents: [], attrs: {}, isEmbed: false }, runs: [{ text, marks: {} }] };
}

/** As much of a view as pasting takes: the markup that is pasted is written as text. */
class Window {
  editable = true;
  isDestroyed = false;
  files: File[] = [];
  readonly pasting: ReturnType<typeof picturePaste>;
  state: EditorState;

  constructor(blocks: Block[], at: number, attach: Options["attach"] = async () => picture("attachment:AQ")) {
    this.pasting = picturePaste({ attach, onFiles: (files) => void (this.files = files) }, new PictureCopies(), () => this.editable);
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [this.pasting.plugin] });
    this.state = state.apply(state.tr.setSelection(TextSelection.create(state.doc, positionOf(state.doc, { block: at, offset: 999 }))));
  }

  dispatch = (tr: Transaction) => void (this.state = this.state.apply(tr));
  pasteHTML = (html: string) => this.dispatch(this.state.tr.insertText(html));
  focus = () => {};
  posAtCoords = ({ left }: { left: number }) => ({ pos: left, inside: -1 });

  paste(html: string): boolean {
    const { plugin } = this.pasting;
    const event = { clipboardData: { files: [], getData: () => html } } as unknown as ClipboardEvent;
    return plugin.props.handlePaste?.call(plugin, this as unknown as EditorView, event, Slice.empty) === true;
  }

  /** Lets something fall into a block. */
  drop(html: string, at: number): boolean {
    const { plugin } = this.pasting;
    const clientX = positionOf(this.state.doc, { block: at, offset: 1 });
    const event = { clientX, clientY: 0, dataTransfer: { files: [], getData: () => html } } as unknown as DragEvent;
    return plugin.props.handleDrop?.call(plugin, this as unknown as EditorView, event, Slice.empty, false) === true;
  }

  get shown(): string[] {
    return flatten(this.state.doc.content).map(({ shape, runs }) => `${shape.type}: ${runs.map(({ text }) => text).join("")}`);
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a picture in markup is stored wherever it falls but into code, whatever is selected", async () => {
  const page = [block("code-block", "code"), block("paragraph", "text")];
  const inCode = new Window(page, 0);
  assert(!inCode.paste(`<img src="${data}">`));
  assert(inCode.drop(`<img src="${data}">`, 1));
  await settle();
  assert.deepEqual(inCode.shown, ["code-block: code", 'paragraph: t<img src="attachment:AQ">ext']);
  assert(!new Window(page, 1).drop(`<img src="${data}">`, 0));
});

test("what can't be read is pasted as its text, never by the browser", (context) => {
  const told = context.mock.method(console, "error", () => {});
  const copies = new PictureCopies();
  context.mock.method(copies, "known", () => {
    throw new RangeError("too large");
  });
  const { plugin } = picturePaste({ attach: async () => picture(""), onFiles: () => {} }, copies, () => true);
  const html = plugin.props.transformPastedHTML?.call(plugin, '<p onclick="x()">a &amp; b</p><img src="https://x.org">', {} as EditorView);
  assert.equal(html, "a &amp; b");
  const state = EditorState.create({ doc: documentOf([block("paragraph", "one")]), plugins: [plugin] });
  const event = { clipboardData: { files: [], getData: () => "<p>a" } } as unknown as ClipboardEvent;
  assert.equal(plugin.props.handlePaste?.call(plugin, { state } as unknown as EditorView, event, Slice.empty), false);
  assert.equal(told.mock.callCount(), 2);
});

test("text waits until the page can be written on again", async () => {
  const window = new Window([block("paragraph", "one")], 0);
  assert(window.paste(`a<img src="${data}">`));
  // Something is being composed, or the page was locked.
  window.editable = false;
  await settle();
  window.pasting.goOn();
  await settle();
  assert.deepEqual(window.shown, ["paragraph: one"]);
  window.editable = true;
  window.pasting.goOn();
  await settle();
  assert.deepEqual(window.shown, ['paragraph: onea<img src="attachment:AQ">']);
});

test("text comes without pictures that can't be stored", async () => {
  const window = new Window([block("paragraph", "one")], 0, () => Promise.reject(new Error("no room")));
  assert(window.paste(`a<img src="${data}" alt="leaf">`));
  await settle();
  assert.deepEqual(window.shown, ["paragraph: onea<output>leaf</output>"]);
});

test("a picture that takes too long comes behind the text", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const stored: ((picture: Picture) => void)[] = [];
  const window = new Window([block("paragraph", "one"), block("paragraph", "two")], 0, () => new Promise((resolve) => stored.push(resolve)));
  assert(window.paste(`a<img src="${data}"><img src="${data}" alt="slow">`));
  await settle();
  stored[0]?.(picture("attachment:A1"));
  await settle();
  assert.deepEqual(window.shown, ["paragraph: one", "paragraph: two"]);
  context.mock.timers.tick(60_000);
  await settle();
  const pasted = 'paragraph: onea<img src="attachment:A1"><output>slow</output>';
  assert.deepEqual(window.shown, [pasted, "paragraph: two"]);
  window.dispatch(window.state.tr.setSelection(TextSelection.atEnd(window.state.doc)));
  stored[1]?.(picture("attachment:A2"));
  await settle();
  assert.deepEqual(window.shown, [pasted, "image: ", "paragraph: two"]);
  assert.equal(window.state.selection.from, positionOf(window.state.doc, { block: 2, offset: 3 }));
});

test("pictures are stored one after the other", async () => {
  const begun: string[] = [];
  const attach = async (blob: Blob) => {
    begun.push(blob.type);
    await settle();
    begun.push("done");
    return picture(blob.type);
  };
  const { pictures, late } = await attached([data, "data:image/gif;base64,%%%", "data:image/webp;base64,AAAA"], attach, 60_000);
  assert.deepEqual(begun, ["image/png", "done", "image/webp", "done"]);
  assert.deepEqual([pictures.map((one) => one?.src ?? null), late], [["image/png", null, "image/webp"], []]);
});
