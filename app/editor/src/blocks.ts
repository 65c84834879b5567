// Between ProseMirror's tree and the flat list of blocks. Every block is one textblock, in order, so that a block's
// number and an offset name the same place on both sides, whatever a merge left behind: nothing here throws.
import { Fragment, Mark, type MarkType, type Node, type NodeType } from "prosemirror-model";
import { schema } from "./schema.ts";
import type { Block, Edit, Marks, MarkValue, Run, Shape } from "./types.ts";

/** The blocks that can hold others, by the name of their marker. */
const containers = {
  "unordered-list-item": schema.nodes.list_item,
  "ordered-list-item": schema.nodes.list_item,
  blockquote: schema.nodes.blockquote,
  aside: schema.nodes.aside,
  // A row's marker begins its first cell, too.
  "table-row": schema.nodes.table_row,
  "table-cell": schema.nodes.table_cell,
} as const;
type ContainerName = keyof typeof containers;

/** What items of a kind that are neighbours have around them. */
const groups = new Map<string, NodeType>([
  ["unordered-list-item", schema.nodes.bullet_list],
  ["ordered-list-item", schema.nodes.ordered_list],
  ["table-row", schema.nodes.table],
]);

/** Before a thread's id, in the names of the marks on the text that threads of comments are about. */
const commentPrefix = "comment:";

/** Deeper nesting than this is kept, but shown flat: a hostile document must not exhaust the stack. */
export const deepest = 32;

/** The blocks that nodes of the document stand for. `nodes` are children of the document. */
export function flatten(nodes: Fragment): Block[] {
  const blocks: Block[] = [];
  flattenInto(blocks, nodes, [], false);
  return blocks;
}

// `path` names the containers around the nodes; `marked` says that the innermost is an item, whose marker is that of
// the paragraph it begins with.
function flattenInto(blocks: Block[], nodes: Fragment, path: string[], marked: boolean): void {
  nodes.forEach((node, _, index) => {
    if (node.isTextblock) {
      const shape = marked && index === 0 && beginsItem(node) ? itemShape(node, path) : shapeOf(node, path);
      blocks.push({ shape, runs: runsOf(node.content) });
    } else if (node.type === schema.nodes.bullet_list || node.type === schema.nodes.ordered_list) {
      const name = node.type === schema.nodes.bullet_list ? "unordered-list-item" : "ordered-list-item";
      node.forEach((item) => flattenInto(blocks, item.content, [...path, name], true));
    } else if (node.type === schema.nodes.table) {
      node.forEach((row) => flattenRow(blocks, row, [...path, "table-row"]));
    } else {
      flattenInto(blocks, node.content, [...path, node.type.name], true);
    }
  });
}

function flattenRow(blocks: Block[], row: Node, path: string[]): void {
  row.forEach((cell, _, index) => {
    if (cell.attrs.implicit === true) flattenInto(blocks, cell.content, path, index === 0);
    else flattenInto(blocks, cell.content, [...path, "table-cell"], true);
  });
}

/** Whether a node, as the first in an item, carries the item's own marker. */
export function beginsItem(node: Node): boolean {
  return node.type === schema.nodes.paragraph && node.attrs.explicit === false;
}

function itemShape(node: Node, path: string[]): Shape {
  return { type: path.at(-1) ?? "", parents: path.slice(0, -1), attrs: node.attrs.data as Shape["attrs"], isEmbed: false };
}

function shapeOf(node: Node, path: string[]): Shape {
  if (node.type === schema.nodes.foreign) {
    const shape = node.attrs.shape as Shape;
    return placedFreely(node, path.length > 0) ? shape : { ...shape, parents: path };
  }
  // Other programs take a picture for a thing in the text.
  return { type: textblockName(node), parents: path, attrs: node.attrs.data as Shape["attrs"], isEmbed: node.type === schema.nodes.image };
}

/** Whether a foreign node keeps the parents of its shape, some unknown, instead of those it stands in. */
export function placedFreely(node: Node, inContainer: boolean): boolean {
  return node.attrs.nested === false && !inContainer;
}

/** The node that a freely placed one becomes in a container, which gives it parents that are known. */
export function settled(node: Node): Node {
  const { type, attrs, isEmbed } = node.attrs.shape as Shape;
  const known = isContainer(type) && !isEmbed ? "paragraph" : type;
  return textblock({ type: known, parents: [], attrs, isEmbed }, true, false, node.content);
}

/** The block type a textblock stands for outside of lists. */
export function textblockName(node: Node): string {
  if (node.type === schema.nodes.foreign) return (node.attrs.shape as Shape).type;
  return node.type.name.replace("_", "-");
}

type Item = { name: ContainerName; content: (Node | Item)[] };

/** The nodes that show the blocks. What the schema can't hold becomes `foreign` nodes that keep their shape. */
export function build(blocks: Block[]): Node[] {
  const top: (Node | Item)[] = [];
  const open: Item[] = [];
  for (const { shape, runs } of blocks) {
    const nested = shape.parents.length <= deepest && shape.parents.every((name, depth) => holds(name, shape.parents[depth - 1]));
    const path = nested ? shape.parents.filter(isContainer) : [];
    let shared = 0;
    while (shared < path.length && open[shared]?.name === path[shared]) shared++;
    open.length = shared;
    const enter = (name: ContainerName) => {
      const item: Item = { name, content: [] };
      (open.at(-1)?.content ?? top).push(item);
      open.push(item);
    };
    for (const name of path.slice(shared)) enter(name);
    const content = inline(runs);
    if (nested && !shape.isEmbed && holds(shape.type, path.at(-1)) && path.length < deepest) {
      enter(shape.type);
      open.at(-1)?.content.push(schema.nodes.paragraph.create({ data: shape.attrs }, content));
    } else {
      const into = open.at(-1)?.content ?? top;
      into.push(textblock(shape, nested, open.length > 0 && into.length === 0, content));
    }
  }
  return close(top);
}

function isContainer(name: string): name is ContainerName {
  return Object.hasOwn(containers, name);
}

/** Whether a block of this name can hold others where it stands: a cell only does in a row. */
function holds(name: string, parent: string | undefined): name is ContainerName {
  return isContainer(name) && (name !== "table-cell" || parent === "table-row");
}

function textblock(shape: Shape, nested: boolean, first: boolean, content: Fragment): Node {
  const data = shape.attrs;
  if (nested && shape.isEmbed && shape.type === "image") return schema.nodes.image.create({ data }, content);
  if (nested && !shape.isEmbed) {
    if (shape.type === "paragraph") return schema.nodes.paragraph.create({ data, explicit: first }, content);
    if (shape.type === "heading") return schema.nodes.heading.create({ data }, content);
    if (shape.type === "code-block") return schema.nodes.code_block.create({ data }, content);
    if (shape.type === "math-block") return schema.nodes.math_block.create({ data }, content);
    if (shape.type === "divider") return schema.nodes.divider.create({ data }, content);
  }
  return schema.nodes.foreign.create({ shape: nested ? { ...shape, parents: [] } : shape, nested }, content);
}

/** Makes nodes of items; neighbours that are items of the same kind of list, or rows, share one. */
function close(content: (Node | Item)[]): Node[] {
  const nodes: Node[] = [];
  let group: { type: NodeType; items: Node[] } | null = null;
  const closeGroup = () => {
    if (group !== null) nodes.push(group.type.create(null, group.items));
    group = null;
  };
  for (const child of content) {
    const groupType = "name" in child ? groups.get(child.name) : undefined;
    const node = "name" in child ? closeItem(child) : child;
    if (groupType === undefined) {
      closeGroup();
      nodes.push(node);
    } else {
      if ((group as { type: NodeType } | null)?.type !== groupType) closeGroup();
      group ??= { type: groupType, items: [] };
      group.items.push(node);
    }
  }
  closeGroup();
  return nodes;
}

function closeItem({ name, content }: Item): Node {
  return containers[name].create(null, name === "table-row" ? cellsOf(content) : close(content));
}

/** What stands in a row but in no cell is shown in cells of its own. */
function cellsOf(content: (Node | Item)[]): Node[] {
  const cells: Node[] = [];
  let loose: (Node | Item)[] = [];
  const closeLoose = () => {
    if (loose.length > 0) cells.push(schema.nodes.table_cell.create({ implicit: true }, close(loose)));
    loose = [];
  };
  for (const child of content) {
    if ("name" in child && child.name === "table-cell") {
      closeLoose();
      cells.push(closeItem(child));
    } else {
      loose.push(child);
    }
  }
  closeLoose();
  return cells;
}

/** A whole document, which is never without a block. */
export function documentOf(blocks: Block[]): Node {
  const nodes = build(blocks);
  return schema.nodes.doc.create(null, nodes.length > 0 ? nodes : schema.nodes.paragraph.create());
}

// Text and marks

/** The runs of a textblock's content. */
export function runsOf(content: Fragment): Run[] {
  const runs: Run[] = [];
  content.forEach((node) => append(runs, { text: node.text ?? "", marks: marksOf(node.marks) }));
  return runs;
}

/** The content of a textblock. */
export function inline(runs: Run[]): Fragment {
  return Fragment.fromArray(runs.filter((run) => run.text !== "").map((run) => schema.text(run.text, proseMarks(run.marks))));
}

/** The name and value a mark has outside the editor. */
export function markEntry({ type, attrs }: Mark): [string, MarkValue] {
  const { foreign_mark, comment } = schema.marks;
  const name = type === foreign_mark ? (attrs.name as string) : type === comment ? commentPrefix + (attrs.thread as string) : type.name;
  return [name, attrs.value as MarkValue];
}

/** The mark that shows a name and value. */
export function proseMark(name: string, value: MarkValue): Mark {
  const { foreign_mark, comment } = schema.marks;
  if (name.startsWith(commentPrefix)) return comment.create({ thread: name.slice(commentPrefix.length), value });
  const type = name === foreign_mark.name || name === comment.name ? undefined : (schema.marks as Partial<Record<string, MarkType>>)[name];
  return type?.create({ value }) ?? foreign_mark.create({ name, value });
}

function marksOf(marks: readonly Mark[]): Marks {
  return Object.fromEntries(marks.map(markEntry));
}

function proseMarks(marks: Marks): readonly Mark[] {
  // Sorted by name, because ProseMirror compares marks in order.
  const entries = Object.entries(marks).filter(([, value]) => value !== null);
  return Mark.setFrom(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => proseMark(name, value)));
}

export function lengthOf(runs: Run[]): number {
  return runs.reduce((length, run) => length + run.text.length, 0);
}

/** The part of the runs from one offset to another. */
export function cut(runs: Run[], from: number, to: number): Run[] {
  const part: Run[] = [];
  let start = 0;
  for (const run of runs) {
    const text = run.text.slice(Math.max(from - start, 0), Math.max(to - start, 0));
    append(part, { text, marks: run.marks });
    start += run.text.length;
  }
  return part;
}

export function join(...parts: Run[][]): Run[] {
  const joined: Run[] = [];
  for (const run of parts.flat()) append(joined, run);
  return joined;
}

function append(runs: Run[], run: Run): void {
  const last = runs.at(-1);
  if (run.text === "") return;
  if (last !== undefined && sameRecord(last.marks, run.marks)) runs[runs.length - 1] = { text: last.text + run.text, marks: last.marks };
  else runs.push(run);
}

export function sameRuns(a: Run[], b: Run[]): boolean {
  return a.length === b.length && a.every((run, i) => run.text === b[i]?.text && sameRecord(run.marks, b[i].marks));
}

export function sameShape(a: Shape, b: Shape): boolean {
  return (
    a.type === b.type &&
    a.isEmbed === b.isEmbed &&
    a.parents.length === b.parents.length &&
    a.parents.every((parent, i) => parent === b.parents[i]) &&
    sameRecord(a.attrs, b.attrs)
  );
}

function sameRecord(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

// Edits on a list of blocks

/** The blocks after an edit. Throws a RangeError if it names a block that does not exist. */
export function afterEdit(blocks: Block[], edit: Edit): Block[] {
  if (edit.op === "blocks") {
    if (edit.from < 0 || edit.from + edit.count > blocks.length) throw missing(edit.from);
    return blocks.toSpliced(edit.from, edit.count, ...edit.blocks);
  }
  const block = blocks[edit.block];
  if (block === undefined) throw missing(edit.block);
  const { shape, runs } = block;
  const length = lengthOf(runs);
  switch (edit.op) {
    case "text": {
      const rest = cut(runs, edit.offset + edit.delete, length);
      return blocks.with(edit.block, { shape, runs: join(cut(runs, 0, edit.offset), edit.insert, rest) });
    }
    case "mark": {
      const marked = cut(runs, edit.from, edit.to).map((run) => ({ text: run.text, marks: withMark(run.marks, edit.name, edit.value) }));
      return blocks.with(edit.block, { shape, runs: join(cut(runs, 0, edit.from), marked, cut(runs, edit.to, length)) });
    }
    case "split": {
      const rest = { shape: edit.shape, runs: cut(runs, edit.offset, length) };
      return blocks.toSpliced(edit.block, 1, { shape, runs: cut(runs, 0, edit.offset) }, rest);
    }
    case "join": {
      const before = blocks[edit.block - 1];
      if (before === undefined) throw missing(edit.block - 1);
      return blocks.toSpliced(edit.block - 1, 2, { shape: before.shape, runs: join(before.runs, runs) });
    }
    case "shape":
      return blocks.with(edit.block, { shape: edit.shape, runs });
  }
}

export function missing(block: number): RangeError {
  return new RangeError(`there is no block ${block}`);
}

function withMark(marks: Marks, name: string, value: MarkValue | null): Marks {
  const { [name]: _, ...others } = marks;
  return value === null ? others : { ...others, [name]: value };
}
