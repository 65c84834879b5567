// The menu that a slash opens: blocks and what else can be put in, by name, without leaving the keyboard or the place.
import { type Command, EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { commandNamed } from "./commands.ts";
import { hasWordFrom } from "./folding.ts";
import { append } from "./in_turn.ts";
import { ownStep } from "./own_step.ts";
import type { BlockMenu, BlockMenuItem } from "./types.ts";

/** Longer than any name that somebody types. */
const longestQuery = 30;

/** Where the slash stands, and what is offered: nothing while no name fits. `at` is the index of the one that Enter chooses. */
type Open = { from: number; query: string; items: BlockMenuItem[]; at: number };

type Meta = { from: number } | { at: number } | "again" | "close";

const key = new PluginKey<Open | null>("block-menu");

/** What opens it. An input method may make the wide one of the key. */
const slashes = ["/", "／"];

/** Longer than it takes until a composition counts as ended. */
const settlingMilliseconds = 80;

const listId = "block-menu";

/** What is left free at the edge of the screen. */
const margin = 8;

/** Whoever chooses this is asked for a file: it is put in when there is one. */
const asked = "image";

/** Before other plugins that hear keys. `ask` asks for a picture. */
export function blockMenu(menu: BlockMenu, ask: () => void): Plugin<Open | null> {
  const choose = (view: EditorView, at: number) => {
    if (take(view, at)?.command === asked) ask();
  };
  return new Plugin<Open | null>({
    key,
    state: {
      init: () => null,
      apply(tr, before, _, state) {
        const meta = tr.getMeta(key) as Meta | undefined;
        if (meta === "close") return null;
        if (meta === "again") return before && offered(menu, state, before.from);
        if (meta !== undefined && "from" in meta) return offered(menu, state, meta.from);
        if (before === null) return null;
        if (meta !== undefined) return { ...before, at: (meta.at + before.items.length) % before.items.length };
        if (!tr.docChanged && !tr.selectionSet) return before;
        const { pos, deleted } = tr.mapping.mapResult(before.from, 1);
        if (deleted) return null;
        const now = offered(menu, state, pos, before);
        // What is being composed is not yet what is meant. That is looked at when it is.
        const fits = now !== null && now.items.length > 0;
        return fits || !isComposed(tr) ? now : { ...before, from: pos };
      },
    },
    props: {
      attributes(state): Record<string, string> {
        const open = shownIn(state);
        return open === null
          ? {}
          : { "aria-haspopup": "listbox", "aria-autocomplete": "list", "aria-controls": listId, "aria-activedescendant": optionId(open.at) };
      },
      handleTextInput(view, from, _, text, typed) {
        if (!slashes.includes(text) || !opensAt(view.state, from)) return false;
        view.dispatch(typed().setMeta(key, { from } satisfies Meta).scrollIntoView());
        return true;
      },
      handleKeyDown(view, { key: pressed, shiftKey, ctrlKey, altKey, metaKey, isComposing }) {
        const open = shownIn(view.state);
        if (open === null || shiftKey || ctrlKey || altKey || metaKey || isComposing) return false;
        if (pressed === "ArrowDown") tell(view, { at: open.at + 1 });
        else if (pressed === "ArrowUp") tell(view, { at: open.at - 1 });
        else if (pressed === "Enter" || pressed === "Tab") choose(view, open.at);
        else if (pressed === "Escape") tell(view, "close");
        else return false;
        return true;
      },
      handleDOMEvents: {
        blur: (view) => void (key.getState(view.state) && tell(view, "close")),
        compositionend: (view) => void setTimeout(() => {
          if (!view.isDestroyed && !view.composing && key.getState(view.state)) tell(view, "again");
        }, settlingMilliseconds),
      },
    },
    view: (view) => new List(view, menu.label, choose),
  });
}

/** Whether an input method is at work on what it changes. */
function isComposed(tr: Transaction): boolean {
  return tr.getMeta("composition") !== undefined;
}

function tell(view: EditorView, meta: Meta): void {
  view.dispatch(view.state.tr.setMeta(key, meta).setMeta("addToHistory", false));
}

/** Whether a slash typed here stands at the beginning of a block, or behind a space, where text is not taken as it is. */
function opensAt({ doc, storedMarks }: EditorState, position: number): boolean {
  const $position = doc.resolve(position);
  const { parent, parentOffset } = $position;
  if (!parent.isTextblock || parent.type.spec.code) return false;
  const marks = storedMarks ?? $position.marks();
  return !marks.some(({ type }) => type.spec.code) && /(^|\s)$/u.test(parent.textBetween(0, parentOffset));
}

/** What is offered for what is typed behind the slash; null when the caret has left it, or no name has a space there. */
function offered(menu: BlockMenu, state: EditorState, from: number, before?: Open): Open | null {
  const { $head, empty } = state.selection;
  if (!empty || !$head.parent.isTextblock || $head.pos <= from || from < $head.start()) return null;
  const typed = state.doc.textBetween(from, $head.pos);
  const query = typed.slice(1);
  if (!slashes.includes(typed.charAt(0)) || query.length > longestQuery || query.includes("\n") || /^\s/u.test(query)) return null;
  if (before?.query === query) return before.from === from ? before : { ...before, from };
  const fits = (item: BlockMenuItem) => query === "" || hasWordFrom(item.name, query);
  const items = menu.items.filter((item) => fits(item) && applies(state, from, item));
  return items.length === 0 && /\s$/u.test(query) ? null : { from, query, items, at: 0 };
}

function shownIn(state: EditorState): Open | null {
  const open = key.getState(state) ?? null;
  return open !== null && open.items.length > 0 ? open : null;
}

function applies(state: EditorState, from: number, item: BlockMenuItem): boolean {
  return item.command === "paragraph" || item.command === asked || chosen(state, from, item).applied;
}

/** The transaction that takes the slash away, with what is typed behind it, and does what was chosen. */
function chosen(state: EditorState, from: number, item: BlockMenuItem): { tr: Transaction; applied: boolean } {
  const tr = ownStep(state.tr.delete(from, state.selection.head));
  return { tr, applied: append(tr, commandOf(item)) };
}

/** A formula is a line of its own on an empty one, and a part of the text in another. */
function commandOf({ command, value }: BlockMenuItem): Command {
  return (state, dispatch, view) => {
    const alone = command === "math" && state.selection.$from.parent.content.size === 0;
    return commandNamed(alone ? "math-block" : command, value)?.(state, dispatch, view) ?? false;
  };
}

/** Does what stands at a place of the list, as far as that is done at once. → what it is. */
function take(view: EditorView, at: number): BlockMenuItem | null {
  const open = shownIn(view.state);
  const item = open?.items[at];
  if (open === null || item === undefined) return null;
  view.dispatch(chosen(view.state, open.from, item).tr.setMeta(key, "close" satisfies Meta).scrollIntoView());
  return item;
}

function optionId(index: number): string {
  return `${listId}-${index}`;
}

/** The list on the screen. The focus stays in the text. */
class List {
  readonly list = document.createElement("div");
  shown: Open | null = null;

  constructor(readonly view: EditorView, label: string, choose: (view: EditorView, at: number) => void) {
    const { list } = this;
    list.id = listId;
    list.className = "block-menu";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", label);
    // It may have to be scrolled. Tab does not lead here: it chooses.
    list.tabIndex = 0;
    // The text keeps the focus, and its caret.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", ({ target }) => {
      const option = target instanceof Element ? target.closest("[role=option]") : null;
      if (option !== null) choose(view, [...list.children].indexOf(option));
    });
    view.dom.parentElement?.append(list);
    addEventListener("resize", this.place);
  }

  update(view: EditorView): void {
    const open = shownIn(view.state);
    if (open === this.shown) return;
    if (open !== null && open.items !== this.shown?.items) {
      this.list.replaceChildren(...open.items.map(({ name }, index) => optionElement(name, index)));
    }
    this.shown = open;
    this.list.hidden = open === null;
    if (open === null) return;
    [...this.list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === open.at)));
    this.place();
    // The editor scrolls to the caret only after this.
    requestAnimationFrame(this.place);
    this.list.children[open.at]?.scrollIntoView({ block: "nearest" });
  }

  /** Under the slash, or above it where there is more room; from where its text begins. */
  private place = (): void => {
    const { list, view, shown } = this;
    if (shown === null || view.isDestroyed) return;
    const host = list.offsetParent ?? view.dom;
    const { left, top, width } = host.getBoundingClientRect();
    const slash = view.coordsAtPos(shown.from, 1);
    const { node } = view.domAtPos(shown.from);
    const block = node instanceof Element ? node : node.parentElement;
    const rightToLeft = block !== null && getComputedStyle(block).direction === "rtl";
    const start = rightToLeft ? Math.max(slash.left, slash.right) - list.offsetWidth : Math.min(slash.left, slash.right);
    const within = Math.max(Math.min(start - left, width - list.offsetWidth), 0);
    // What stays at the top of the screen covers what is under it.
    const covered = Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    const [roomAbove, roomBelow] = [slash.top - covered, innerHeight - slash.bottom - margin];
    list.style.maxHeight = "";
    const above = list.offsetHeight > roomBelow && roomAbove > roomBelow;
    list.style.maxHeight = `${Math.min(Math.max(above ? roomAbove : roomBelow, 0), list.offsetHeight)}px`;
    list.dir = rightToLeft ? "rtl" : "ltr";
    list.style.left = `${within}px`;
    list.style.top = `${above ? slash.top - top - list.offsetHeight : slash.bottom - top}px`;
  };

  destroy(): void {
    removeEventListener("resize", this.place);
    this.list.remove();
  }
}

function optionElement(name: string, index: number): HTMLElement {
  const option = document.createElement("div");
  option.id = optionId(index);
  option.className = "block-menu-item";
  option.setAttribute("role", "option");
  option.dir = "auto";
  option.textContent = name;
  return option;
}
