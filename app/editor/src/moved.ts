// Text that is moved within a page, by cutting and pasting or by dragging, keeps its comments. What is copied takes none along.
import { Fragment, type Mark, type Node } from "prosemirror-model";
import { Plugin, PluginKey, type Transaction } from "prosemirror-state";
import { schema } from "./schema.ts";

const { comment } = schema.marks;

/** What was cut out of the page last. */
const key = new PluginKey<Fragment>("moved");

export function movedComments(): Plugin<Fragment> {
  return new Plugin<Fragment>({
    key,
    state: {
      init: () => Fragment.empty,
      apply: (tr, cut, old) => (tr.getMeta("uiEvent") === "cut" ? old.selection.content().content : cut),
    },
    appendTransaction(transactions, old, state) {
      const put = transactions.findIndex((tr) => ["paste", "drop"].includes(tr.getMeta("uiEvent") as string));
      const tr = transactions[put];
      if (tr === undefined) return null;
      // What is dragged is selected until it is dropped elsewhere.
      const moved = tr.getMeta("uiEvent") === "drop" ? old.selection.content().content : key.getState(old);
      const range = inserted(tr);
      if (moved === undefined || range === null) return null;
      const later = transactions.slice(put + 1);
      const [from, to] = later.reduce(([from, to], { mapping }) => [mapping.map(from, 1), mapping.map(to, -1)], range);
      return commentedAgain(state.tr, moved, from, to);
    },
  });
}

/** Where what was put into the page stands. */
function inserted({ mapping }: Transaction): [number, number] | null {
  let range: [number, number] | null = null;
  mapping.maps.at(-1)?.forEach((_, __, from, to) => (range = [from, to]));
  return range;
}

/** The range with the comments of the text that was moved there; null if it is other text, or they still have text elsewhere. */
function commentedAgain(tr: Transaction, moved: Fragment, from: number, to: number): Transaction | null {
  const before = textsOf(moved, 0, moved.size);
  const now = textsOf(tr.doc.content, from, to);
  if (before.length !== now.length || before.some(({ text }, i) => text !== now[i]?.text)) return null;
  const kept = threadsOf(tr.doc);
  for (const [i, { comments }] of before.entries()) {
    const start = now[i]?.start ?? 0;
    for (const { mark, from, to } of comments) if (!kept.has(mark.attrs.thread)) tr.addMark(start + from, start + to, mark);
  }
  return tr.docChanged ? tr : null;
}

/** The text of a block as far as it is in a range: where it begins, and what is commented on, counted from there. */
type Text = { text: string; start: number; comments: { mark: Mark; from: number; to: number }[] };

function textsOf(content: Fragment, from: number, to: number): Text[] {
  const texts: Text[] = [];
  content.nodesBetween(from, to, (node, position) => {
    if (!node.isTextblock) return true;
    const start = Math.max(from, position + 1);
    const found: Text = { text: "", start, comments: [] };
    node.content.cut(start - position - 1, Math.max(Math.min(to - position - 1, node.content.size), 0)).forEach((piece, offset) => {
      found.text += piece.text ?? "";
      for (const mark of piece.marks) if (mark.type === comment) found.comments.push({ mark, from: offset, to: offset + piece.nodeSize });
    });
    if (found.text !== "") texts.push(found);
    return false;
  });
  return texts;
}

function threadsOf(doc: Node): Set<unknown> {
  const threads = new Set<unknown>();
  doc.descendants(({ marks }) => {
    for (const { type, attrs } of marks) if (type === comment) threads.add(attrs.thread);
  });
  return threads;
}
