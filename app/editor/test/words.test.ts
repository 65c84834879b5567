import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState, TextSelection } from "prosemirror-state";
import { documentOf } from "../src/blocks.ts";
import { beforeGrapheme, behindGrapheme } from "../src/graphemes.ts";
import { positionOf } from "../src/points.ts";
import type { Block, Run } from "../src/types.ts";
import { countsOf } from "../src/words.ts";

const block = (type: string, ...runs: Run[]): Block => ({ shape: { type, parents: [], attrs: {}, isEmbed: false }, runs });
const plain = (text: string): Block => block("paragraph", { text, marks: {} });
const page = (...blocks: Block[]) => EditorState.create({ doc: documentOf(blocks) });

test("words and characters are those of each script", () => {
  const count = (text: string) => countsOf(page(plain(text))).page;
  assert.deepEqual(count("The Tana isn’t wide."), { words: 4, characters: 20, charactersWithoutSpaces: 17 });
  assert.deepEqual(count("我们去学校"), { words: 3, characters: 5, charactersWithoutSpaces: 5 });
  assert.equal(count("แม่น้ำสายยาว").words, 3);
  assert.deepEqual(count("नदी 👩‍🏫 🇰🇪"), { words: 1, characters: 6, charactersWithoutSpaces: 4 });
  assert.equal(count("يجري النهر").words, 2);
  assert.deepEqual(count(""), { words: 0, characters: 0, charactersWithoutSpaces: 0 });
});

test("a block's end ends a word, and formulas are none", () => {
  const state = page(
    plain("one"),
    block("unordered-list-item", { text: "two ", marks: { strong: true } }, { text: "thr", marks: {} }, { text: "ee", marks: { em: true } }),
    block("paragraph", { text: "x^2", marks: { math: true } }),
    block("math-block", { text: "a b c", marks: {} }),
  );
  assert.deepEqual(countsOf(state).page, { words: 3, characters: 12, charactersWithoutSpaces: 11 });
});

test("what is selected is counted by itself", () => {
  const state = page(plain("one two"), plain("three four"));
  assert.equal(countsOf(state).selection, null);
  const [from, to] = [positionOf(state.doc, { block: 0, offset: 4 }), positionOf(state.doc, { block: 1, offset: 5 })];
  const selected = state.apply(state.tr.setSelection(TextSelection.create(state.doc, from, to)));
  assert.deepEqual(countsOf(selected).selection, { words: 2, characters: 8, charactersWithoutSpaces: 8 });
});

test("a grapheme is taken whole, from either side", () => {
  for (const grapheme of ["a", "é".normalize("NFD"), "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "क्षि", "நி", "ก็", "각".normalize("NFD"), "❤️"]) {
    const text = `x${grapheme}🇰🇪`;
    assert.equal(beforeGrapheme(text, 1 + grapheme.length), 1, grapheme);
    assert.equal(behindGrapheme(text, 1), 1 + grapheme.length, grapheme);
  }
  assert.deepEqual([beforeGrapheme("a", 0), behindGrapheme("a", 1)], [0, 1]);
});
