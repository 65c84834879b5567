// The text that comments are about. Which threads are shown Rust says; colours come from the style sheet by class.
import { Fragment, type Mark, type Node, Slice } from "prosemirror-model";
import { type EditorState, NodeSelection, Plugin, PluginKey, TextSelection, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet, type MarkView } from "prosemirror-view";
import { schema } from "./schema.ts";
import type { Threads } from "./types.ts";

const { comment } = schema.marks;

const begunKey = new PluginKey<DecorationSet>("comments");

export type Comments = {
  plugin: Plugin<DecorationSet>;
  /** Shows the text of these threads, and of no others. */
  show(threads: Threads): void;
};

export function comments(): Comments {
  const shown = new Map<string, Set<HTMLElement>>();
  let threads: Threads = { open: [], active: null, suggested: [] };

  const dress = (element: HTMLElement, thread: string) => {
    const open = threads.open.includes(thread);
    const suggestion = threads.suggested.find((suggested) => suggested.thread === thread);
    const classes = ["comment", ...(suggestion ? ["suggestion", `cursor-${suggestion.color}`] : []), ...(thread === threads.active ? ["active"] : [])];
    element.className = open ? classes.join(" ") : "";
    if (suggestion) element.title = suggestion.by;
    else element.removeAttribute("title");
    if (open) {
      element.setAttribute("role", suggestion ? "deletion" : "mark");
      element.setAttribute("aria-details", `thread-${thread}`);
    } else {
      element.removeAttribute("role");
      element.removeAttribute("aria-details");
    }
  };
  const markView = ({ attrs }: Mark): MarkView => {
    const thread = attrs.thread as string;
    const dom = document.createElement("span");
    dom.dataset.thread = thread;
    dress(dom, thread);
    const others = shown.get(thread) ?? new Set();
    shown.set(thread, others.add(dom));
    return { dom, ignoreMutation: ({ type }) => type === "attributes", destroy: () => void others.delete(dom) };
  };
  const plugin = new Plugin<DecorationSet>({
    key: begunKey,
    state: {
      init: () => DecorationSet.empty,
      apply: (tr, value) => (tr.getMeta(begunKey) as DecorationSet | undefined) ?? value.map(tr.mapping, tr.doc),
    },
    props: {
      markViews: { comment: markView },
      decorations: (state) => begunKey.getState(state),
      transformCopied: withoutComments,
      transformPasted: withoutComments,
    },
  });
  return {
    plugin,
    show(now) {
      threads = now;
      for (const [thread, elements] of shown) for (const element of elements) dress(element, thread);
    },
  };
}

/** The transaction that shows, or shows no more, the text that a comment is being written about, or the place. */
export function withBegun({ doc, tr }: EditorState, range: { from: number; to: number } | null): Transaction {
  const begun = range === null ? [] : [range.from < range.to ? Decoration.inline(range.from, range.to, { class: "comment active" }) : Decoration.widget(range.from, begunPlace)];
  return tr.setMeta(begunKey, DecorationSet.create(doc, begun));
}

function begunPlace(): HTMLElement {
  const element = document.createElement("span");
  element.className = "begun-place";
  return element;
}

/** The text that is selected; null if there is none. Of a picture that is the line under it. */
export function selectedText({ selection }: EditorState): { from: number; to: number } | null {
  const inside = selection instanceof NodeSelection && selection.node.isTextblock ? 1 : 0;
  const [from, to] = [selection.from + inside, selection.to - inside];
  return from < to ? { from, to } : null;
}

/** The threads whose text the caret is in, or beside. */
export function threadsAt({ selection }: EditorState): string[] {
  const { nodeBefore, nodeAfter } = selection.$head;
  const marks = [nodeAfter, nodeBefore].flatMap((node) => node?.marks ?? []).filter(({ type }) => type === comment);
  return [...new Set(marks.map(({ attrs }) => attrs.thread as string))];
}

/** The transaction that puts the caret to the text of a thread; null if there is none. */
export function toThread(state: EditorState, thread: string): Transaction | null {
  let found: number | null = null;
  state.doc.descendants((node, position) => {
    if (found === null && node.marks.some((mark) => mark.type === comment && mark.attrs.thread === thread)) found = position;
    return found === null;
  });
  return found === null ? null : state.tr.setSelection(TextSelection.create(state.doc, found)).scrollIntoView();
}

/** What is copied is about nothing: a comment stays where it was made. */
export function withoutComments({ content, openStart, openEnd }: Slice): Slice {
  return new Slice(plain(content), openStart, openEnd);
}

function plain(content: Fragment): Fragment {
  const nodes: Node[] = [];
  content.forEach((node) => nodes.push(node.isText ? node.mark(node.marks.filter(({ type }) => type !== comment)) : node.copy(plain(node.content))));
  return Fragment.fromArray(nodes);
}
