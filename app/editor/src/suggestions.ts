// What is proposed for the text of threads. The text itself is struck where threads are shown (comments.ts); what is to stand there
// is drawn behind it, and is in no document.
import type { Node } from "prosemirror-model";
import { type EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { segmentsOf } from "./graphemes.ts";
import { schema } from "./schema.ts";
import type { Suggested } from "./types.ts";

type Shown = { suggested: Suggested[]; decorations: DecorationSet };

const key = new PluginKey<Shown>("suggestions");

export function suggestions(): Plugin<Shown> {
  return new Plugin<Shown>({
    key,
    state: {
      init: () => ({ suggested: [], decorations: DecorationSet.empty }),
      apply(tr, value) {
        const suggested = tr.getMeta(key) as Suggested[] | undefined;
        if (suggested === undefined && (!tr.docChanged || value.suggested.length === 0)) return value;
        return decorated(tr.doc, suggested ?? value.suggested);
      },
    },
    props: {
      decorations: (state) => key.getState(state)?.decorations,
    },
  });
}

/** The transaction that shows these proposals and no others. */
export function withSuggested(tr: Transaction, suggested: Suggested[]): Transaction {
  return tr.setMeta(key, suggested).setMeta("addToHistory", false);
}

/** The proposals that are shown. */
export function suggestedIn(state: EditorState): Suggested[] {
  return key.getState(state)?.suggested ?? [];
}

/** The text that another one can be proposed for: what is selected in one block, or the word that the caret is in. */
export function rangeToChange({ selection }: EditorState): { from: number; to: number } | null {
  const { $from, $to, empty, from, to } = selection;
  const { parent, parentOffset } = $from;
  if (!parent.isTextblock || !$from.sameParent($to)) return null;
  if (!empty) return { from, to };
  for (const { index, segment, isWordLike } of segmentsOf(parent.textContent, "word")) {
    const end = index + segment.length;
    if (isWordLike && index <= parentOffset && parentOffset <= end) return { from: $from.start() + index, to: $from.start() + end };
  }
  return null;
}

/** Whether there may be such text; asked after each key. */
export function mayBeChanged({ selection }: EditorState): boolean {
  const { $from, $to, empty } = selection;
  if (!$from.parent.isTextblock || !$from.sameParent($to)) return false;
  const around = ($from.nodeBefore?.text?.slice(-2) ?? "") + ($from.nodeAfter?.text?.slice(0, 2) ?? "");
  return !empty || /[\p{L}\p{M}\p{N}]/u.test(around);
}

function decorated(doc: Node, suggested: Suggested[]): Shown {
  const ends = suggested.length === 0 ? new Map<string, number>() : endsOf(doc);
  const decorations = suggested.flatMap((suggestion) => {
    const { thread, proposes, color, by } = suggestion;
    const end = ends.get(thread);
    if (end === undefined || proposes === "") return [];
    return [
      Decoration.widget(end, () => proposalElement(suggestion), {
        key: JSON.stringify([thread, proposes, color, by]),
        // What is typed behind the text stands behind what is proposed for it.
        side: -1,
        marks: [],
        ignoreSelection: true,
      }),
    ];
  });
  return { suggested, decorations: DecorationSet.create(doc, decorations) };
}

/** Where the text of each thread ends. */
function endsOf(doc: Node): Map<string, number> {
  const ends = new Map<string, number>();
  doc.descendants((node, position) => {
    for (const { type, attrs } of node.marks) if (type === schema.marks.comment) ends.set(attrs.thread as string, position + node.nodeSize);
  });
  return ends;
}

function proposalElement({ proposes, color, by }: Suggested): HTMLElement {
  const element = document.createElement("ins");
  element.className = `suggested cursor-${color}`;
  element.title = by;
  element.dir = "auto";
  element.textContent = proposes;
  return element;
}
