import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState } from "prosemirror-state";
import type { DecorationSet } from "prosemirror-view";
import { documentOf } from "../src/blocks.ts";
import { cursors, withCursors } from "../src/cursors.ts";
import { remoteTransaction } from "../src/remote.ts";
import type { Block, Cursor, Point } from "../src/types.ts";

const plain = (text: string, type = "paragraph"): Block => ({ shape: { type, parents: [], attrs: {}, isEmbed: false }, runs: [{ text, marks: {} }] });
const at = (block: number, offset: number): Point => ({ block, offset });
const cursor = (id: string, color: number, anchor: Point, head: Point): Cursor => ({ id, name: id, color, anchor, head });

test("the block that somebody else is in is seen, wherever it goes", () => {
  const plugin = cursors();
  let state = EditorState.create({ doc: documentOf([plain("one"), plain("two"), plain("three", "unordered-list-item")]), plugins: [plugin] });
  /** The blocks that somebody is in, as `two: 4`. */
  const seen = () => {
    const shown = plugin.props.decorations?.call(plugin, state) as DecorationSet;
    const here: string[] = [];
    state.doc.descendants((node, position) => {
      const near = node.isTextblock ? shown.find(position, position + node.nodeSize) : [];
      for (const { from, to, type } of near as unknown as { from: number; to: number; type: { attrs?: { class?: string } } }[]) {
        const name = type.attrs?.class ?? "";
        const [, color] = /^somebody-here (?:cursor-)?(\d+|several)$/.exec(name) ?? [];
        if (color !== undefined && from === position && to === position + node.nodeSize) here.push(`${node.textContent}: ${color}`);
      }
    });
    return here;
  };
  state = state.apply(withCursors(state, [cursor("Amina", 4, at(0, 1), at(2, 2)), cursor("Jonas", 13, at(1, 0), at(1, 0))]));
  assert.deepEqual(seen(), ["two: 1", "three: 4"]);
  state = state.apply(remoteTransaction(state, [{ op: "blocks", from: 0, count: 0, blocks: [plain("zero")] }]));
  assert.deepEqual(seen(), ["two: 1", "three: 4"]);
  state = state.apply(state.tr.insertText("!", state.doc.content.size - 3));
  assert.deepEqual(seen(), ["two: 1", "three!: 4"]);
  // Where they stand there is none any more: they are in what it joined.
  state = state.apply(remoteTransaction(state, [{ op: "join", block: 2 }]));
  assert.deepEqual(seen(), ["onetwo: 1", "three!: 4"]);
  state = state.apply(withCursors(state, [cursor("Amina", 4, at(0, 1), at(0, 2)), cursor("Jonas", 13, at(0, 0), at(0, 0)), cursor("Chen", 2, at(1, 0), at(1, 0))]));
  assert.equal(seen().filter((here) => here.endsWith(": several")).length, 1);
  assert.equal(seen().length, 2);
  state = state.apply(withCursors(state, []));
  assert.deepEqual(seen(), []);
});
