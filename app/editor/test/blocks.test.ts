import assert from "node:assert/strict";
import { test } from "node:test";
import { build, documentOf, flatten } from "../src/blocks.ts";
import { countBlocks, placeOf, pointBefore, positionOf } from "../src/points.ts";
import type { Block } from "../src/types.ts";
import { blocksOf, random, randomBlocks, unitsOf } from "./random.ts";

function block(type: string, parents: string[], text: string, attrs: Block["shape"]["attrs"] = {}): Block {
  return { shape: { type, parents, attrs, isEmbed: false }, runs: text === "" ? [] : [{ text, marks: {} }] };
}

const bullet = "unordered-list-item";

test("lists nest as the convention says", () => {
  const doc = documentOf([
    block("heading", [], "Title", { level: 2 }),
    block(bullet, [], "one"),
    block("paragraph", [bullet], "more of one"),
    block(bullet, [bullet], "nested"),
    block("ordered-list-item", [], "first"),
    block("blockquote", [], "quoted"),
    block("paragraph", ["blockquote"], "still quoted"),
  ]);
  assert.equal(
    doc.toString(),
    'doc(heading("Title"), bullet_list(list_item(paragraph("one"), paragraph("more of one"), bullet_list(list_item(paragraph("nested"))))), ' +
      'ordered_list(list_item(paragraph("first"))), blockquote(paragraph("quoted"), paragraph("still quoted")))',
  );
});

test("an item whose marker was lost keeps the shapes of what it holds", () => {
  const blocks = [block("paragraph", [bullet], "orphan"), block("heading", [bullet, bullet], "deep", { level: 1 })];
  const doc = documentOf(blocks);
  assert.equal(doc.firstChild?.type.name, "bullet_list");
  assert.deepEqual(flatten(doc.content), blocks);
});

test("endless nesting is shown flat and kept", () => {
  const blocks = [block("paragraph", Array<string>(20_000).fill("blockquote"), "deep"), block(bullet, Array<string>(32).fill(bullet), "edge")];
  const doc = documentOf(blocks);
  assert.equal(doc.firstChild?.type.name, "foreign");
  assert.deepEqual(flatten(doc.content), blocks);
});

test("any blocks survive, and the tree has one form", () => {
  for (let seed = 0; seed < 3000; seed++) {
    const blocks = randomBlocks(random(seed), seed % 3 > 0);
    const doc = documentOf(blocks);
    doc.check();
    assert.equal(countBlocks(doc), blocks.length);
    assert.deepEqual(flatten(doc.content), blocksOf(unitsOf(blocks)), `seed ${seed}`);
    assert(documentOf(flatten(doc.content)).eq(doc), `seed ${seed}`);
  }
});

test("points and positions name the same places", () => {
  for (let seed = 0; seed < 300; seed++) {
    const blocks = randomBlocks(random(seed), true);
    const doc = documentOf(blocks);
    for (let i = 0; i < blocks.length; i++) {
      const length = placeOf(doc, i).node.content.size;
      for (let offset = 0; offset <= length; offset++) {
        assert.deepEqual(pointBefore(doc, positionOf(doc, { block: i, offset })), { block: i, offset });
      }
      assert.equal(positionOf(doc, { block: i, offset: length + 9 }), positionOf(doc, { block: i, offset: length }));
    }
    assert.throws(() => placeOf(doc, blocks.length), RangeError);
    assert.throws(() => placeOf(doc, -1), RangeError);
  }
});

test("no blocks build no nodes, and a document still has one", () => {
  assert.deepEqual(build([]), []);
  assert.equal(documentOf([]).toString(), "doc(paragraph)");
});
