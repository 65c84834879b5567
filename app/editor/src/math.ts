// Mathematics: LaTeX in the text, MathML on the screen. The text is shown as it is typed only while the caret is in it.
import { type Mark, type Node, type ResolvedPos } from "prosemirror-model";
import { type Command, type EditorState, Plugin, PluginKey, TextSelection, type Transaction } from "prosemirror-state";
import { Mapping, StepMap } from "prosemirror-transform";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { changedChildren, childStart } from "./edits.ts";
import { beforeGrapheme, behindGrapheme } from "./graphemes.ts";
import { schema } from "./schema.ts";

const { math } = schema.marks;
const { math_block } = schema.nodes;

/** Makes MathML of LaTeX, in the text or on a line of its own; null if it has no meaning. */
export type Render = (latex: string, block: boolean) => string | null;

/** A formula: where its LaTeX stands. Of one on a line of its own that is all of the block's text. */
type Formula = { from: number; to: number; latex: string; block: boolean };

const key = new PluginKey<DecorationSet>("math");

/** How many rendered formulas are kept: more than a long page has. */
const mostRemembered = 300;

/** Longer than the browser takes to set the selection in what it focuses. */
const settlingMilliseconds = 30;

export function mathematics(rendered: Render): Plugin<DecorationSet> {
  const render = remembering(rendered);
  // Whoever only reads or prints sees formulas, wherever the selection is.
  let view: EditorView | null = null;
  let printing = false;
  const writing = () => view !== null && view.editable && view.hasFocus() && !printing;
  const redraw = () => {
    if (view !== null && !view.isDestroyed) view.updateState(view.state);
  };

  const shown = (doc: Node, from: number, to: number) => formulasIn(doc, from, to).flatMap((formula) => decorationsOf(formula, render));
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc }) => DecorationSet.create(doc, shown(doc, 0, doc.content.size)),
      apply(tr, before, _, { doc }) {
        if (!tr.docChanged) return before;
        // Children that did not change keep their formulas, whatever the steps did to get there.
        const changed = changedChildren(tr.before, doc);
        const start = childStart(doc, changed.from);
        const [endBefore, end] = [childStart(tr.before, changed.beforeTo), childStart(doc, changed.afterTo)];
        const moved = new Mapping([new StepMap([start, endBefore - start, end - start])]);
        return before.remove(beginningIn(before, start, endBefore)).map(moved, doc).add(doc, shown(doc, start, end));
      },
    },
    props: {
      decorations(state) {
        const all = key.getState(state);
        const open = writing() ? openFormula(state) : null;
        return open === null ? all : all?.remove(beginningIn(all, startOf(open), open.to + 1));
      },
      handleDOMEvents: {
        // Not at once: what a click is aimed at stays where it is until the browser has set the caret.
        focus: () => void setTimeout(redraw, settlingMilliseconds),
        blur: redraw,
      },
      handleKeyDown(view, { key, shiftKey, ctrlKey, altKey, metaKey }) {
        if (shiftKey || ctrlKey || altKey || metaKey || !/^(Arrow|Backspace|Delete)/.test(key)) return false;
        // Where the browser has put the caret it may not have told yet.
        if (!view.composing) document.dispatchEvent(new Event("selectionchange"));
        return move(view, key) || openToDelete(view, key);
      },
    },
    view(mounted) {
      view = mounted;
      const print = ({ type }: Event) => {
        printing = type === "beforeprint";
        redraw();
      };
      addEventListener("beforeprint", print);
      addEventListener("afterprint", print);
      return {
        destroy() {
          removeEventListener("beforeprint", print);
          removeEventListener("afterprint", print);
        },
      };
    },
  });
}

/** Renders each formula once, as long as not too many others come between. */
function remembering(render: Render): Render {
  const known = new Map<string, string | null>();
  return (latex, block) => {
    const name = `${block} ${latex}`;
    const made = known.has(name) ? (known.get(name) ?? null) : render(latex, block);
    // The last one used is the last one to go.
    known.delete(name);
    known.set(name, made);
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > mostRemembered) known.delete(oldest);
    return made;
  };
}

/** The decorations that begin in a range. Those that only touch it are others' formulas. */
function beginningIn(decorations: DecorationSet, start: number, end: number): Decoration[] {
  return decorations.find(start, end).filter(({ from }) => from >= start && from < end);
}

/** Where a formula begins: with its block, if it has one of its own. */
function startOf({ from, block }: Formula): number {
  return block ? from - 1 : from;
}

/** Where MathML stands: before LaTeX in a block of its own, and behind LaTeX in the text. A caret at either end is then beside
 * something that is shown, and what is typed comes to stand there. */
function shownAt({ from, to, block }: Formula): number {
  return block ? from - 1 : to;
}

/** The formulas of whole children of the document. */
function formulasIn(doc: Node, from: number, to: number): Formula[] {
  const found: Formula[] = [];
  doc.nodesBetween(from, to, (node, position) => {
    if (node.type === math_block) {
      found.push({ from: position + 1, to: position + 1 + node.content.size, latex: node.textContent, block: true });
    } else if (node.isTextblock) {
      for (const formula of inlineFormulas(node, position + 1)) found.push(formula);
    }
    return !node.isTextblock;
  });
  return found;
}

function inlineFormulas(block: Node, start: number): Formula[] {
  const found: Formula[] = [];
  block.forEach((node, offset) => {
    if (!isMath(node.marks)) return;
    const from = start + offset;
    const last = found.at(-1);
    if (last?.to === from) found[found.length - 1] = { ...last, to: from + node.nodeSize, latex: last.latex + (node.text ?? "") };
    else found.push({ from, to: from + node.nodeSize, latex: node.text ?? "", block: false });
  });
  return found;
}

function isMath(marks: readonly Mark[]): boolean {
  return math.isInSet(marks)?.attrs.value === true;
}

function decorationsOf(formula: Formula, render: Render): Decoration[] {
  const { from, to, latex, block } = formula;
  if (latex.trim() === "") return [];
  const made = render(latex, block);
  const styled = (name: string) =>
    block ? Decoration.node(from - 1, to + 1, { class: name }) : Decoration.inline(from, to, { class: name });
  if (made === null) return [styled("math-wrong")];
  return [
    styled("math-hidden"),
    Decoration.widget(shownAt(formula), (view, at) => formulaElement(view, at, made, block), {
      key: `${block} ${made}`,
      side: block ? 1 : -1,
      marks: [],
      ignoreSelection: true,
    }),
  ];
}

function formulaElement(view: EditorView, at: () => number | undefined, made: string, block: boolean): HTMLElement {
  const element: HTMLElement = document.createElement(block ? "div" : "span");
  element.className = "math-shown";
  // Its letters don't say in which direction the text around it runs.
  element.dir = "ltr";
  // The page's Content-Security-Policy empties style attributes; what a script sets stays.
  const parsed = new DOMParser().parseFromString(made.replace(/\sstyle="/g, ' data-style="'), "text/html");
  for (const styled of parsed.querySelectorAll<HTMLElement>("[data-style]")) styled.style.cssText = styled.dataset.style ?? "";
  // A formula leads nowhere.
  for (const link of parsed.querySelectorAll("a")) link.replaceWith(...link.childNodes);
  // Nothing in it takes the name of something else on the page.
  for (const named of parsed.querySelectorAll("[id]")) named.removeAttribute("id");
  element.append(...parsed.body.childNodes);
  element.addEventListener("mousedown", (event) => {
    const position = at();
    if (!view.editable || position === undefined) return;
    const near = formulasIn(view.state.doc, Math.max(position - 1, 0), position + 1);
    const formula = near.find((formula) => shownAt(formula) === position);
    if (formula === undefined) return;
    event.preventDefault();
    const { left, width } = element.getBoundingClientRect();
    enter(view, event.clientX < left + width / 2 ? formula.from : formula.to);
    view.focus();
  });
  return element;
}

/** The formula whose LaTeX is shown: the one that the selection is in, or that what is typed next would belong to. */
function openFormula(state: EditorState): Formula | null {
  const { $from, $to, empty } = state.selection;
  if ($from.parent.type === math_block) return { from: $from.start(), to: $from.end(), latex: "", block: true };
  if (!$from.parent.isTextblock || !$from.sameParent($to)) return null;
  const formula = inlineFormulas($from.parent, $from.start()).find(({ from, to }) => from <= $to.pos && to >= $from.pos);
  if (formula === undefined) return null;
  if (!empty) return formula.from < $to.pos && formula.to > $from.pos ? formula : null;
  return isMath(state.storedMarks ?? $from.marks()) ? formula : null;
}

/** Puts the caret beside a formula. */
function leave(dispatch: (tr: Transaction) => void, state: EditorState, position: number): void {
  dispatch(state.tr.setSelection(TextSelection.create(state.doc, position)).removeStoredMark(math));
}

/** Puts the caret into a formula. */
function enter(view: EditorView, position: number): void {
  const tr = view.state.tr.setSelection(TextSelection.create(view.state.doc, position));
  if (tr.selection.$from.parent.type !== math_block) tr.addStoredMark(math.create());
  view.dispatch(tr);
}

// The browser passes over hidden text: arrow keys lead into a formula and out of it.
function move(view: EditorView, pressed: string): boolean {
  const { state } = view;
  const { $from, empty } = state.selection;
  const direction = ({ ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" } as const)[pressed];
  if (!empty || direction === undefined || !$from.parent.isTextblock) return false;
  const vertical = direction === "up" || direction === "down";
  const back = direction === "up" || (!vertical && (direction === "left") !== isRightToLeft(view, $from.start()));
  if (!vertical && $from.parent.type !== math_block) {
    // LaTeX runs from left to right in any text: it is entered and left on the side that the caret comes from and goes to.
    const open = openFormula(state);
    const beside = inlineFormulas($from.parent, $from.start()).find(({ from, to }) => $from.pos === (back ? to : from));
    if (open !== null) {
      const edge = direction === "left" ? open.from : open.to;
      if ($from.pos === edge) leave(view.dispatch, state, back ? open.from : open.to);
      else enter(view, $from.pos + (direction === "left" ? -1 : 1) * letterBeside($from, direction === "left"));
      return true;
    }
    if (beside !== undefined) {
      enter(view, direction === "left" ? beside.to : beside.from);
      return true;
    }
  }
  if (!view.endOfTextblock(direction)) return false;
  const beside = state.doc.resolve(back ? $from.before() : $from.after());
  const node = back ? beside.nodeBefore : beside.nodeAfter;
  if (node?.type !== math_block) return false;
  enter(view, back ? beside.pos - 1 : beside.pos + 1);
  return true;
}

/** How long the letter before or behind a place is. */
function letterBeside({ parent, parentOffset }: ResolvedPos, before: boolean): number {
  const text = parent.textContent;
  return before ? parentOffset - beforeGrapheme(text, parentOffset) : behindGrapheme(text, parentOffset) - parentOffset;
}

// The browser would delete all of it, or what is on its other side.
function openToDelete(view: EditorView, pressed: string): boolean {
  const { $from, empty } = view.state.selection;
  if (!empty || !["Backspace", "Delete"].includes(pressed) || !$from.parent.isTextblock || openFormula(view.state) !== null) return false;
  const beside = inlineFormulas($from.parent, $from.start()).find(({ from, to }) => $from.pos === (pressed === "Delete" ? from : to));
  if (beside === undefined) return false;
  enter(view, $from.pos);
  return true;
}

function isRightToLeft(view: EditorView, start: number): boolean {
  const { node } = view.domAtPos(start);
  const element = node instanceof Element ? node : node.parentElement;
  const block = element?.closest("[dir]") ?? view.dom;
  return getComputedStyle(block).direction === "rtl";
}

/** Makes a formula of what is selected, or begins one, or ends it. */
export const toggleMath: Command = (state, dispatch) => {
  const { from, to, empty, $from } = state.selection;
  if ($from.parent.type.spec.code) return false;
  const tr = state.tr;
  if (empty) dispatch?.(isMath(state.storedMarks ?? $from.marks()) ? tr.removeStoredMark(math) : tr.addStoredMark(math.create()));
  else dispatch?.(state.doc.rangeHasMark(from, to, math) ? tr.removeMark(from, to, math) : tr.addMark(from, to, math.create()));
  return true;
};

/** Enter in a formula goes on behind it. */
export const leaveMath: Command = (state, dispatch) => {
  const open = openFormula(state);
  if (open === null || open.block) return false;
  if (dispatch !== undefined) leave(dispatch, state, open.to);
  return true;
};
