// Mathematics: LaTeX in the text, MathML on the screen. The text is shown as it is typed only while the caret is in it.
import { type Mark, type Node } from "prosemirror-model";
import { type Command, type EditorState, Plugin, PluginKey, TextSelection } from "prosemirror-state";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { changedChildren, childStart } from "./edits.ts";
import { schema } from "./schema.ts";

const { math } = schema.marks;
const { math_block } = schema.nodes;

/** Makes MathML of LaTeX, in the text or on a line of its own; null if it has no meaning. */
export type Render = (latex: string, block: boolean) => string | null;

/** A formula: where its LaTeX stands. Of one on a line of its own that is all of the block's text. */
type Formula = { from: number; to: number; latex: string; block: boolean };

const key = new PluginKey<DecorationSet>("math");

export function mathematics(render: Render): Plugin<DecorationSet> {
  const shown = (doc: Node, from: number, to: number) => formulasIn(doc, from, to).flatMap((formula) => decorationsOf(formula, render));
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc }) => DecorationSet.create(doc, shown(doc, 0, doc.content.size)),
      apply(tr, before, _, { doc }) {
        if (!tr.docChanged) return before;
        const changed = changedChildren(tr.before, doc);
        const [from, to] = [childStart(doc, changed.from), childStart(doc, changed.afterTo)];
        const mapped = before.map(tr.mapping, doc);
        return mapped.remove(mapped.find(from, to)).add(doc, shown(doc, from, to));
      },
    },
    props: {
      decorations(state) {
        const all = key.getState(state);
        const open = openFormula(state);
        return open === null ? all : all?.remove(all.find(open.from, open.to, (spec) => spec.formula === open.from));
      },
      handleKeyDown: (view, event) => !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey && move(view, event.key),
    },
  });
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

function decorationsOf({ from, to, latex, block }: Formula, render: Render): Decoration[] {
  if (latex.trim() === "") return [];
  const made = render(latex, block);
  const spec = { formula: from };
  if (made === null) {
    return [block ? Decoration.node(from - 1, to + 1, { class: "math-wrong" }, spec) : Decoration.inline(from, to, { class: "math-wrong" }, spec)];
  }
  const hidden = { class: "math-hidden" };
  return [
    block ? Decoration.node(from - 1, to + 1, hidden, spec) : Decoration.inline(from, to, hidden, spec),
    Decoration.widget(block ? from - 1 : from, (view) => formulaElement(view, made, block, to), {
      ...spec,
      key: `${block} ${to - from} ${made}`,
      side: -1,
      ignoreSelection: true,
    }),
  ];
}

function formulaElement(view: EditorView, made: string, block: boolean, to: number): HTMLElement {
  const element = document.createElement(block ? "div" : "span");
  element.className = "math-shown";
  // The page's Content-Security-Policy empties style attributes; what a script sets stays.
  const parsed = new DOMParser().parseFromString(made.replace(/\sstyle="/g, ' data-style="'), "text/html");
  for (const styled of parsed.querySelectorAll<HTMLElement>("[data-style]")) styled.style.cssText = styled.dataset.style ?? "";
  // A formula leads nowhere.
  for (const link of parsed.querySelectorAll("a")) link.replaceWith(...link.childNodes);
  element.append(...parsed.body.childNodes);
  element.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const end = Math.min(to, view.state.doc.content.size);
    enter(view, end);
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
  const step = pressed === "ArrowLeft" ? -1 : pressed === "ArrowRight" ? 1 : 0;
  if (!empty) return false;
  if (step !== 0 && $from.parent.isTextblock && $from.parent.type !== math_block) {
    const formulas = inlineFormulas($from.parent, $from.start());
    const open = openFormula(state);
    if (open !== null && $from.pos === (step < 0 ? open.from : open.to)) {
      view.dispatch(state.tr.removeStoredMark(math));
      return true;
    }
    if (open === null && formulas.some(({ from, to }) => $from.pos === (step < 0 ? to : from))) {
      enter(view, $from.pos);
      return true;
    }
  }
  const direction = ({ ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" } as const)[pressed];
  if (direction === undefined || !view.endOfTextblock(direction)) return false;
  const back = direction === "left" || direction === "up";
  const beside = state.doc.resolve(back ? $from.before() : $from.after());
  const node = back ? beside.nodeBefore : beside.nodeAfter;
  if (node?.type !== math_block) return false;
  enter(view, back ? beside.pos - 1 : beside.pos + 1);
  return true;
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
  dispatch?.(state.tr.setSelection(TextSelection.create(state.doc, open.to)).removeStoredMark(math));
  return true;
};
