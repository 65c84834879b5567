// Where the others are: a named caret and a tinted selection for each, and a line beside the block that they are in. Colours come from the style sheet by class.
import { type EditorState, Plugin, PluginKey } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { positionOf } from "./points.ts";
import { remoteMeta } from "./remote.ts";
import type { Cursor } from "./types.ts";

/** How many colours the style sheet defines. */
const palette = 12;

type Shown = { cursor: Cursor; anchor: number; head: number };
type CursorState = { shown: Shown[]; decorations: DecorationSet };

const cursorKey = new PluginKey<CursorState>("cursors");

export function cursors(): Plugin<CursorState> {
  return new Plugin<CursorState>({
    key: cursorKey,
    state: {
      init: () => ({ shown: [], decorations: DecorationSet.empty }),
      apply(tr, value, _, state) {
        const cursors = tr.getMeta(cursorKey) as Cursor[] | undefined;
        if (cursors !== undefined) return decorated(state, cursors.map((cursor) => placed(state, cursor)));
        if (!tr.docChanged || value.shown.length === 0) return value;
        // Their own typing moves their carets along; the typing of this person does not push them.
        const side = tr.getMeta(remoteMeta) === true ? 1 : -1;
        const moved = value.shown.map(({ cursor, anchor, head }) => ({
          cursor,
          anchor: tr.mapping.map(anchor, side),
          head: tr.mapping.map(head, side),
        }));
        return decorated(state, moved);
      },
    },
    props: {
      decorations: (state) => cursorKey.getState(state)?.decorations,
    },
  });
}

/** The transaction that shows these cursors and no others. */
export function withCursors(state: EditorState, shown: Cursor[]) {
  return state.tr.setMeta(cursorKey, shown).setMeta("addToHistory", false);
}

function placed({ doc }: EditorState, cursor: Cursor): Shown {
  return { cursor, anchor: positionOf(doc, cursor.anchor), head: positionOf(doc, cursor.head) };
}

function decorated({ doc }: EditorState, shown: Shown[]): CursorState {
  // Where several people are the line is in no one's colour.
  const colors = new Map<number, string>();
  const decorations = shown.flatMap(({ cursor, anchor, head }) => {
    const color = `cursor-${Math.abs(Math.trunc(cursor.color)) % palette}`;
    const caret = Decoration.widget(head, () => caretElement(cursor.name, color), {
      // A new key draws the caret anew, and its name shows again for a while: only when its owner moved it.
      key: `${color} ${cursor.id} ${cursor.name} ${cursor.head.block}:${cursor.head.offset}`,
      side: 10,
      ignoreSelection: true,
    });
    const $head = doc.resolve(head);
    if ($head.parent.isTextblock) colors.set($head.before(), colors.has($head.before()) ? "several" : color);
    if (anchor === head) return [caret];
    return [caret, Decoration.inline(Math.min(anchor, head), Math.max(anchor, head), { class: `cursor-selection ${color}` })];
  });
  const blocks = [...colors].map(([begin, color]) => Decoration.node(begin, begin + (doc.nodeAt(begin)?.nodeSize ?? 0), { class: `somebody-here ${color}` }));
  return { shown, decorations: DecorationSet.create(doc, [...decorations, ...blocks]) };
}

// Hidden from screen readers: who is here is told in the list of members, not in the middle of a sentence.
function caretElement(name: string, color: string): HTMLElement {
  const caret = document.createElement("span");
  caret.className = `cursor-caret ${color}`;
  caret.setAttribute("aria-hidden", "true");
  // The style sheet draws the name: it is no part of the page's text, for whoever copies or reads that.
  const label = caret.appendChild(document.createElement("span"));
  label.className = "cursor-name";
  label.dataset.name = name;
  return caret;
}
