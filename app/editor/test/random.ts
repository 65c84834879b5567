// Reproducible random documents and edits, and a model of edits as simple as can be: one array of markers and letters.
import assert from "node:assert/strict";
import type { Block, Edit, Marks, Run, Shape } from "../src/types.ts";

export type Random = { below(limit: number): number; pick<T>(from: readonly T[]): T };

export function random(seed: number): Random {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (from) => from[below(from.length)] as never };
}

const types = ["paragraph", "paragraph", "unordered-list-item", "ordered-list-item", "unordered-list-item", "heading", "image"];
const hostileTypes = [...types, "table-row", "table-cell", "table-cell", "divider", "math-block", "code-block", "blockquote", "aside", "callout", "toString", ""];
const parentNames = ["unordered-list-item", "unordered-list-item", "ordered-list-item"];
const hostileParents = [...parentNames, "table-row", "table-cell", "blockquote", "aside", "paragraph", "callout"];
const hostileAttributes = [{}, { src: "attachment:AQ", alt: "", width: 4 }, { id: "x" }, { level: 2 }, { level: 9 }, { level: "two" }, { level: null, id: 7 }, { a: true, b: null }];

export function randomShape(r: Random, hostile: boolean): Shape {
  const type = r.pick(hostile ? hostileTypes : types);
  const parents = Array.from({ length: r.pick([0, 0, 0, 1, 1, 2, 3]) }, () => r.pick(hostile ? hostileParents : parentNames));
  const isPicture = type === "image";
  const attrs = hostile ? r.pick(hostileAttributes) : type === "heading" ? { level: 1 + r.below(3) } : isPicture ? { src: "attachment:AQ", alt: "A leaf" } : {};
  return { type, parents, attrs, isEmbed: hostile ? (r.below(12) === 0) !== isPicture : isPicture };
}

const marks: Marks[] = [{}, {}, {}, { strong: true }, { em: true }, { strong: true, em: true }];
const hostileMarks: Marks[] = [
  ...marks,
  { link: '{"href":"https://example.org","title":""}' },
  { link: "not json", strong: true },
  { __ext__comment: "7", strong: true },
  { zeta: 1, alpha: false },
  { strong: false },
  { "comment:b": true },
  { "comment:a": true, "comment:c": true, em: true },
];

export function randomRuns(r: Random, hostile: boolean): Run[] {
  const texts = ["a", "aa", "ab", "word ", "שלום", "😀", "x\ny", "  "];
  const runs = Array.from({ length: r.below(4) }, () => ({ text: r.pick(texts), marks: r.pick(hostile ? hostileMarks : marks) }));
  return merged(runs);
}

function merged(runs: Run[]): Run[] {
  const result: Run[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    if (last !== undefined && key(last.marks) === key(run.marks)) result[result.length - 1] = { text: last.text + run.text, marks: last.marks };
    else result.push(run);
  }
  return result;
}

function key(marks: Marks): string {
  return JSON.stringify(Object.entries(marks).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function randomBlocks(r: Random, hostile: boolean): Block[] {
  if (r.below(4) === 0) return randomTable(r, hostile);
  return Array.from({ length: 1 + r.below(8) }, () => ({ shape: randomShape(r, hostile), runs: randomRuns(r, hostile) }));
}

function randomTable(r: Random, hostile: boolean): Block[] {
  const columns = 1 + r.below(3);
  const cell = (column: number): Shape => ({ type: column > 0 ? "table-cell" : "table-row", parents: column > 0 ? ["table-row"] : [], attrs: {}, isEmbed: false });
  return Array.from({ length: columns * (1 + r.below(3)) }, (_, i): Block => {
    const torn = hostile && r.below(6) === 0;
    return { shape: torn ? randomShape(r, true) : cell(i % columns), runs: randomRuns(r, hostile) };
  });
}

export type Unit = { shape: Shape } | { letter: string; marks: Marks };

export function unitsOf(blocks: Block[]): Unit[] {
  return blocks.flatMap(({ shape, runs }) => [{ shape }, ...lettersOf(runs)]);
}

function lettersOf(runs: Run[]): Unit[] {
  return runs.flatMap(({ text, marks }) => text.split("").map((letter) => ({ letter, marks })));
}

export function blocksOf(units: Unit[]): Block[] {
  const blocks: Block[] = [];
  for (const unit of units) {
    if ("shape" in unit) blocks.push({ shape: unit.shape, runs: [] });
    else blocks.at(-1)?.runs.push({ text: unit.letter, marks: unit.marks });
  }
  return blocks.map(({ shape, runs }) => ({ shape, runs: merged(runs) }));
}

/** Applies an edit to the array. Units that stay are the same objects. */
export function applyToUnits(units: Unit[], edit: Edit): void {
  const markers = units.flatMap((unit, i) => ("shape" in unit ? [i] : []));
  const at = (block: number) => {
    assert(block >= 0 && block <= markers.length, `block ${block} of ${markers.length}`);
    return markers[block] ?? units.length;
  };
  const end = (block: number, offset: number) => {
    assert(at(block) + 1 + offset <= at(block + 1), "within the text of the block");
    return at(block) + 1 + offset;
  };
  switch (edit.op) {
    case "text":
      end(edit.block, edit.offset + edit.delete);
      units.splice(end(edit.block, edit.offset), edit.delete, ...lettersOf(edit.insert));
      break;
    case "mark":
      for (let i = end(edit.block, edit.from); i < end(edit.block, edit.to); i++) {
        const { letter, marks } = units[i] as { letter: string; marks: Marks };
        const { [edit.name]: _, ...others } = marks;
        units[i] = { letter, marks: edit.value === null ? others : { ...others, [edit.name]: edit.value } };
      }
      break;
    case "split":
      units.splice(end(edit.block, edit.offset), 0, { shape: edit.shape });
      break;
    case "join":
      assert(edit.block > 0);
      units.splice(at(edit.block), 1);
      break;
    case "shape":
      units[at(edit.block)] = { shape: edit.shape };
      break;
    case "blocks":
      units.splice(at(edit.from), at(edit.from + edit.count) - at(edit.from), ...unitsOf(edit.blocks));
  }
}

/** A random edit that is valid for the blocks. */
export function randomEdit(r: Random, blocks: Block[], hostile: boolean): Edit {
  const block = r.below(blocks.length);
  const length = blocks[block]?.runs.reduce((sum, run) => sum + run.text.length, 0) ?? 0;
  const from = r.below(length + 1);
  const to = from + r.below(length - from + 1);
  switch (r.pick(["text", "text", "mark", "split", "join", "shape", "blocks"])) {
    case "mark": {
      const [name, value] = r.pick([["strong", true], ["em", true], ["strong", null], ["link", "{}"], ["alpha", 3], ["alpha", null],
        ["comment:a", true], ["comment:b", true], ["comment:b", null], ["comment:c", true]] as const);
      return { op: "mark", block, from, to, name, value };
    }
    case "split":
      return { op: "split", block, offset: from, shape: randomShape(r, hostile) };
    case "join":
      if (block > 0) return { op: "join", block };
      break;
    case "shape":
      return { op: "shape", block, shape: randomShape(r, hostile) };
    case "blocks": {
      const count = r.below(Math.min(blocks.length - block, 3) + 1);
      const kept = blocks.slice(block, block + count).filter(() => r.below(2) === 0);
      const fresh = r.below(2) === 0 ? randomBlocks(r, hostile).slice(0, 2) : [];
      const all = r.below(2) === 0 ? [...kept, ...fresh] : [...fresh, ...kept];
      if (blocks.length - count + all.length > 0) return { op: "blocks", from: block, count, blocks: all };
    }
  }
  return { op: "text", block, offset: from, delete: to - from, insert: randomRuns(r, hostile) };
}
