// Between ProseMirror's positions and points (block number, offset in its text).
import type { Node, ResolvedPos } from "prosemirror-model";
import { Selection } from "prosemirror-state";
import { missing } from "./blocks.ts";
import type { Point } from "./types.ts";

// Nodes never change, so a long list is counted once, not at every keystroke.
const counts = new WeakMap<Node, number>();

/** How many blocks a node holds. */
export function countBlocks(node: Node): number {
  if (node.isTextblock) return 1;
  let count = counts.get(node);
  if (count === undefined) {
    count = countBefore(node, node.childCount);
    counts.set(node, count);
  }
  return count;
}

/** How many blocks the children before an index hold. */
export function countBefore(node: Node, index: number): number {
  let count = 0;
  for (let i = 0; i < index; i++) count += countBlocks(node.child(i));
  return count;
}

/** A block, where its text begins, and the index of the document's child it is in. */
export type Place = { node: Node; start: number; child: number };

/** Finds a block. Throws a RangeError if there is none of that number. */
export function placeOf(doc: Node, block: number): Place {
  let parent = doc;
  let start = 0;
  let left = block;
  let top: number | null = null;
  search: while (left >= 0) {
    for (let i = 0; i < parent.childCount; i++) {
      const child = parent.child(i);
      const count = countBlocks(child);
      if (left < count) {
        top ??= i;
        if (child.isTextblock) return { node: child, start: start + 1, child: top };
        parent = child;
        start += 1;
        continue search;
      }
      left -= count;
      start += child.nodeSize;
    }
    break;
  }
  throw missing(block);
}

/** The position of a point; one beyond the text is taken to its end. */
export function positionOf(doc: Node, { block, offset }: Point): number {
  const { node, start } = placeOf(doc, Math.min(Math.max(block, 0), countBlocks(doc) - 1));
  return start + Math.min(Math.max(offset, 0), node.content.size);
}

/** The point at a position; between blocks, the end of the block before, and block -1 if there is none. */
export function pointBefore(doc: Node, position: number): Point {
  const resolved = doc.resolve(position);
  let block = 0;
  for (let depth = 0; depth <= resolved.depth; depth++) {
    const node = resolved.node(depth);
    if (node.isTextblock) return { block, offset: resolved.parentOffset };
    block += countBefore(node, resolved.index(depth));
  }
  return { block: block - 1, offset: block > 0 ? placeOf(doc, block - 1).node.content.size : 0 };
}

/** The point at a position that people can select; between blocks, the nearest one. */
export function pointOf(doc: Node, position: number): Point {
  const point = pointBefore(doc, position);
  return point.block < 0 ? { block: 0, offset: 0 } : point;
}

/** Where a selection begins, in the text of a block. Where blocks are selected whole, that is the first of them. */
export function beginOf({ $from }: Selection): ResolvedPos {
  return $from.parent.isTextblock ? $from : Selection.near($from, 1).$from;
}
