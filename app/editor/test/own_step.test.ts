import assert from "node:assert/strict";
import { test } from "node:test";
import { history, undo } from "prosemirror-history";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { documentOf } from "../src/blocks.ts";
import { commandNamed } from "../src/commands.ts";
import { applied } from "../src/own_step.ts";
import { changePicture } from "../src/picture_commands.ts";
import type { Block, Shape } from "../src/types.ts";

/** A page on which all is done at once, with the caret behind the text of its first block. */
class Desk {
  state: EditorState;

  constructor(type: string, attrs: Shape["attrs"] = {}) {
    const blocks: Block[] = [{ shape: { type, parents: [], attrs, isEmbed: type === "image" }, runs: [{ text: "Hello", marks: {} }] }];
    const state = EditorState.create({ doc: documentOf(blocks), plugins: [history({ newGroupDelay: Number.MAX_SAFE_INTEGER })] });
    this.state = state.apply(state.tr.setSelection(TextSelection.create(state.doc, 6)));
  }

  readonly dispatch = (tr: Transaction): void => void ({ state: this.state } = applied(this.state, tr));

  type(text: string, event?: string): this {
    this.dispatch(this.state.tr.insertText(text).setMeta("uiEvent", event));
    return this;
  }

  run(command: Command | null): this {
    assert(command?.(this.state, this.dispatch), "the command applies");
    return this;
  }

  /** What the page is after each step that is undone. */
  get undone(): string[] {
    const shown: string[] = [];
    while (undo(this.state, this.dispatch)) shown.push(String(this.state.doc));
    return shown;
  }
}

test("a command is undone without what was typed before it and behind it", () => {
  const desk = new Desk("paragraph").type("!").run(commandNamed("heading", 2)).type("?").type("!");
  assert.deepEqual(desk.undone, ['doc(heading("Hello!"))', 'doc(paragraph("Hello!"))', 'doc(paragraph("Hello"))']);
});

test("what is pasted, cut or dropped is undone alone", () => {
  for (const event of ["paste", "cut", "drop"]) {
    const desk = new Desk("paragraph").type("!").type(" Bye", event).type("?");
    assert.deepEqual(desk.undone, ['doc(paragraph("Hello! Bye"))', 'doc(paragraph("Hello!"))', 'doc(paragraph("Hello"))'], event);
  }
});

test("a picture that is deleted right after it was described comes back with that", () => {
  const leaf = { src: "attachment:AQ", alt: "A leaf", width: 40, height: 30 };
  const desk = new Desk("image", leaf).run(changePicture(0, { ...leaf, alt: "An old leaf" }));
  desk.dispatch(desk.state.tr.delete(0, desk.state.doc.content.size));
  assert(undo(desk.state, desk.dispatch));
  assert.match(JSON.stringify(desk.state.doc), /"alt":"An old leaf"/);
});
