// What is proposed for the text of threads. The text itself is struck where threads are shown (comments.ts); what is to stand there
// is drawn behind it, or where it is to stand if it replaces none, and is in no document.
import type { Node } from "prosemirror-model";
import { type EditorState, Plugin, PluginKey, TextSelection, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { segmentsOf } from "./graphemes.ts";
import { pointOf, positionOf } from "./points.ts";
import { schema } from "./schema.ts";
import type { Suggested } from "./types.ts";

/** `places` are those of what replaces no text, by thread. */
type Shown = { suggested: Suggested[]; places: Map<string, number>; decorations: DecorationSet };

const key = new PluginKey<Shown>("suggestions");

export function suggestions(): Plugin<Shown> {
  return new Plugin<Shown>({
    key,
    state: {
      init: () => ({ suggested: [], places: new Map<string, number>(), decorations: DecorationSet.empty }),
      apply(tr, value) {
        const suggested = tr.getMeta(key) as Suggested[] | undefined;
        if (suggested === undefined && (!tr.docChanged || value.suggested.length === 0)) return value;
        const places = suggested === undefined ? moved(value.places, tr) : placesOf(tr.doc, suggested);
        return decorated(tr.doc, suggested ?? value.suggested, places);
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

/** The proposals that are shown, where they stand by now. */
export function suggestedIn(state: EditorState): Suggested[] {
  const { suggested, places } = key.getState(state) ?? { suggested: [], places: new Map<string, number>() };
  return suggested.map((suggestion) => {
    const place = places.get(suggestion.thread);
    return place === undefined ? suggestion : { ...suggestion, at: pointOf(state.doc, place) };
  });
}

/** The threads that propose something where the caret is, and replace nothing. */
export function insertionsAt(state: EditorState): string[] {
  const places = key.getState(state)?.places ?? new Map<string, number>();
  return [...places].filter(([, place]) => place === state.selection.head).map(([thread]) => thread);
}

/** The transaction that puts the caret to where a thread proposes something; null if it replaces text, or is not there. */
export function toInsertion(state: EditorState, thread: string): Transaction | null {
  const place = key.getState(state)?.places.get(thread);
  return place === undefined ? null : state.tr.setSelection(TextSelection.create(state.doc, place)).scrollIntoView();
}

/** The text that another one can be proposed for: what is selected in one block, or the word that the caret is in. Where there is none,
 * the place of the caret. */
export function rangeToChange({ selection }: EditorState): { from: number; to: number } | null {
  const { $from, $to, empty, from, to } = selection;
  const { parent, parentOffset } = $from;
  if (!parent.isTextblock || !$from.sameParent($to)) return null;
  if (!empty) return { from, to };
  for (const { index, segment, isWordLike } of segmentsOf(parent.textContent, "word")) {
    const end = index + segment.length;
    if (isWordLike && index <= parentOffset && parentOffset <= end) return { from: $from.start() + index, to: $from.start() + end };
  }
  return { from, to };
}

/** Whether there is such text, or such a place; asked after each key. */
export function mayBeChanged({ selection }: EditorState): boolean {
  return selection.$from.parent.isTextblock && selection.$from.sameParent(selection.$to);
}

function placesOf(doc: Node, suggested: Suggested[]): Map<string, number> {
  return new Map(suggested.flatMap(({ thread, at }) => (at === null ? [] : [[thread, positionOf(doc, at)]])));
}

/** They stay with what stands before them. */
function moved(places: Map<string, number>, { mapping, doc }: Transaction): Map<string, number> {
  const moved = [...places].map(([thread, place]): [string, number] => [thread, mapping.map(place, -1)]);
  return new Map(moved.filter(([, place]) => doc.resolve(place).parent.isTextblock));
}

function decorated(doc: Node, suggested: Suggested[], places: Map<string, number>): Shown {
  const ends = suggested.length === 0 ? new Map<string, number>() : endsOf(doc);
  const decorations = suggested.flatMap((suggestion) => {
    const { thread, proposes, color, by } = suggestion;
    const end = ends.get(thread) ?? places.get(thread);
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
  return { suggested, places, decorations: DecorationSet.create(doc, decorations) };
}

/** Where the text of each thread ends. */
function endsOf(doc: Node): Map<string, number> {
  const ends = new Map<string, number>();
  doc.descendants((node, position) => {
    for (const { type, attrs } of node.marks) if (type === schema.marks.comment) ends.set(attrs.thread as string, position + node.nodeSize);
  });
  return ends;
}

function proposalElement({ thread, proposes, at, color, by }: Suggested): HTMLElement {
  const element = document.createElement("ins");
  element.className = `suggested cursor-${color}`;
  element.title = by;
  element.dir = "auto";
  element.textContent = proposes;
  // Else the text that it replaces says whose it is, and leads there.
  if (at !== null) {
    element.dataset.thread = thread;
    element.setAttribute("aria-details", `thread-${thread}`);
  }
  return element;
}
