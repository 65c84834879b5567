// Finding and replacing. What is found is shown by decorations; the current one is what is selected, so that it stays with its
// text whatever others do.
import type { Node } from "prosemirror-model";
import { type EditorState, NodeSelection, Plugin, PluginKey, TextSelection, type Transaction } from "prosemirror-state";
import { Mapping, StepMap } from "prosemirror-transform";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { changedChildren, childStart } from "./edits.ts";
import { type Matcher, matcher } from "./folding.ts";
import { ownStep } from "./own_step.ts";
import { isPicture, pictureOf } from "./pictures.ts";
import { schema } from "./schema.ts";
import type { Found, Handle, Query } from "./types.ts";

/** Text, or a picture whose description has it. */
type Match = { from: number; to: number; picture?: true };

type Finding = {
  query: Query;
  finds: Matcher;
  /** Where in a textblock, by the block: blocks never change. */
  known: WeakMap<Node, [number, number][]>;
  matches: Match[];
  decorations: DecorationSet;
};

const key = new PluginKey<Finding | null>("find");

/** Looked for anew: after a composition, which drawing would have ended. */
type Meta = { query: Query | null } | "again";

/** `composing` says whether an input method is at work. */
export function finding(composing: () => boolean): Plugin<Finding | null> {
  return new Plugin<Finding | null>({
    key,
    state: {
      init: () => null,
      apply(tr, before, _, { doc }: EditorState) {
        const meta = tr.getMeta(key) as Meta | undefined;
        if (meta === "again") return before && begun(before, doc);
        if (meta !== undefined) return meta.query && begun({ ...lookingFor(meta.query), known: new WeakMap() }, doc);
        return before && tr.docChanged ? goneOn(before, tr, composing()) : before;
      },
    },
    props: {
      decorations(state) {
        const found = key.getState(state);
        const current = currentOf(state);
        if (found === null || found === undefined) return null;
        return current === null ? found.decorations : found.decorations.add(state.doc, [decoration(current, "found-current")]);
      },
      handleDOMEvents: {
        compositionend: (view) => void setTimeout(() => {
          if (!view.isDestroyed && key.getState(view.state)) view.dispatch(view.state.tr.setMeta(key, "again").setMeta("addToHistory", false));
        }, settlingMilliseconds),
      },
    },
  });
}

/** More than this are not tinted, but for the current one: drawing each letter of a long page apart takes long. */
const mostTinted = 1000;

/** Longer than it takes until a composition counts as ended. */
const settlingMilliseconds = 80;

function lookingFor(query: Query): Pick<Finding, "query" | "finds"> {
  return { query, finds: matcher(query.text, query.matchCase) };
}

/** Looks for something from now on, or for nothing. */
export function withQuery(tr: Transaction, query: Query | null): Transaction {
  return tr.setMeta(key, { query } satisfies Meta).setMeta("addToHistory", false);
}

/** What is looked for. */
export function queryOf(state: EditorState): Query | null {
  return key.getState(state)?.query ?? null;
}

function begun(finding: Pick<Finding, "query" | "finds" | "known">, doc: Node): Finding {
  const matches = matchesIn(finding, doc, 0, doc.content.size);
  return { ...finding, matches, decorations: tinted(doc, matches) };
}

function tinted(doc: Node, matches: Match[]): DecorationSet {
  return matches.length > mostTinted ? DecorationSet.empty : DecorationSet.create(doc, matches.map((match) => decoration(match)));
}

function goneOn(before: Finding, tr: Transaction, composing: boolean): Finding {
  const { doc } = tr;
  if (composing) {
    const matches = before.matches
      .map((match) => ({ ...match, from: tr.mapping.map(match.from, 1), to: tr.mapping.map(match.to, -1) }))
      .filter(({ from, to }) => from < to);
    return { ...before, matches, decorations: before.decorations.map(tr.mapping, doc) };
  }
  // Children that did not change keep their decorations, whatever the steps did to get there.
  const changed = changedChildren(tr.before, doc);
  const start = childStart(doc, changed.from);
  const [endBefore, end] = [childStart(tr.before, changed.beforeTo), childStart(doc, changed.afterTo)];
  const moved = new Mapping([new StepMap([start, endBefore - start, end - start])]);
  const fresh = matchesIn(before, doc, start, end);
  const shift = end - endBefore;
  const matches = [
    ...before.matches.filter(({ from }) => from < start),
    ...fresh,
    ...before.matches.filter(({ from }) => from >= endBefore).map((match) => ({ ...match, from: match.from + shift, to: match.to + shift })),
  ];
  if (Math.max(matches.length, before.matches.length) > mostTinted) return { ...before, matches, decorations: tinted(doc, matches) };
  const inside = before.decorations.find(start, endBefore);
  return { ...before, matches, decorations: before.decorations.remove(inside).map(moved, doc).add(doc, fresh.map((match) => decoration(match))) };
}

/** What is found in whole children of the document. */
function matchesIn({ finds, known }: Pick<Finding, "finds" | "known">, doc: Node, from: number, to: number): Match[] {
  const matches: Match[] = [];
  doc.nodesBetween(from, to, (node, position) => {
    if (!node.isTextblock) return true;
    // Before the line under it.
    if (isPicture(node) && finds(pictureOf(node).alt ?? "").length > 0) matches.push({ from: position, to: position + node.nodeSize, picture: true });
    let found = known.get(node);
    if (found === undefined) known.set(node, (found = finds(node.textContent)));
    for (const [start, end] of found) matches.push({ from: position + 1 + start, to: position + 1 + end });
    return false;
  });
  return matches;
}

function decoration({ from, to, picture }: Match, name = "found"): Decoration {
  return picture ? Decoration.node(from, to, { class: name }) : Decoration.inline(from, to, { class: name });
}

/** The one that is selected. */
function currentOf(state: EditorState): Match | null {
  return matchesOf(state)[indexOfCurrent(state)] ?? null;
}

function indexOfCurrent(state: EditorState): number {
  const { from, to } = state.selection;
  const matches = matchesOf(state);
  const index = firstFrom(matches, from);
  const match = matches[index];
  return match?.from === from && match.to === to ? index : -1;
}

function matchesOf(state: EditorState): readonly Match[] {
  return key.getState(state)?.matches ?? [];
}

/** The index of the first that begins at a position or behind it. */
function firstFrom(matches: readonly Match[], position: number): number {
  let [low, high] = [0, matches.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((matches[middle]?.from ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many there are, and which is the current one. Null if nothing is looked for. */
export function foundIn(state: EditorState): Found | null {
  if (!key.getState(state)) return null;
  const index = indexOfCurrent(state);
  return { count: matchesOf(state).length, current: index < 0 ? null : index + 1 };
}

/** Selects the one that begins at a position or next behind it; behind the last comes the first. */
function selectFrom(view: EditorView, position: number): void {
  const matches = matchesOf(view.state);
  select(view, matches[firstFrom(matches, position)] ?? matches[0]);
}

function select(view: EditorView, match: Match | undefined): void {
  if (match === undefined) return;
  const { tr, doc } = view.state;
  const { from, to } = match;
  view.dispatch(tr.setSelection(match.picture ? NodeSelection.create(doc, from) : TextSelection.create(doc, from, to)));
  show(view);
}

/** Scrolls to the current one, if it is not well in sight. */
function show(view: EditorView): void {
  const found = view.dom.querySelector(".found-current");
  // LaTeX is hidden; its formula is not.
  const source = found?.closest(".math-source");
  const hidden = found !== null && found.getClientRects().length === 0;
  const shown = hidden ? [source?.nextElementSibling, source?.previousElementSibling].find((near) => near?.matches(".math-shown")) : found;
  if (!shown) return;
  const { top, bottom } = shown.getBoundingClientRect();
  if (top < innerHeight * 0.35 || bottom > innerHeight * 0.9) shown.scrollIntoView({ block: "center" });
}

/** Replaces text by as little as can be: what is the same at both ends stays, and what comes in has the marks of what it replaces. */
export function replaceText(tr: Transaction, from: number, to: number, text: string): void {
  const old = tr.doc.textBetween(from, to);
  const shorter = Math.min(old.length, text.length);
  let prefix = 0;
  while (prefix < shorter && old[prefix] === text[prefix]) prefix++;
  if (splitsPair(old, prefix) || splitsPair(text, prefix)) prefix--;
  let suffix = 0;
  while (suffix < shorter - prefix && old.at(-1 - suffix) === text.at(-1 - suffix)) suffix++;
  if (splitsPair(old, old.length - suffix) || splitsPair(text, text.length - suffix)) suffix--;
  const [start, end] = [from + prefix, to - suffix];
  const insert = text.slice(prefix, text.length - suffix);
  const $start = tr.doc.resolve(start);
  const like = start === end && prefix > 0 ? $start.nodeBefore : $start.nodeAfter;
  if (insert !== "") tr.replaceWith(start, end, schema.text(insert, like?.marks));
  else if (start < end) tr.delete(start, end);
}

function splitsPair(text: string, offset: number): boolean {
  return offset > 0 && (text.codePointAt(offset - 1) ?? 0) > 0xffff;
}

/** One transaction for all, which one undo takes back. Null if nothing is found. What pictures show stays as somebody described it. */
export function replaceAll(state: EditorState, text: string): { tr: Transaction; count: number } | null {
  const matches = matchesOf(state).filter(({ picture }) => !picture);
  if (matches.length === 0) return null;
  const tr = ownStep(state.tr);
  for (const { from, to } of matches.toReversed()) replaceText(tr, from, to, text);
  return { tr, count: matches.length };
}

/** Where the next one may begin: behind a picture's description stands the line under it. */
function behind({ from, picture }: Match, to: number): number {
  return picture ? from + 1 : to;
}

/** What the bridge can do with it. */
export function finder(view: EditorView): Pick<Handle, "find" | "findNext" | "replace" | "replaceAll"> {
  return {
    find(query) {
      view.dispatch(withQuery(view.state.tr, query));
      if (query !== null) selectFrom(view, view.state.selection.from);
      else backToText(view);
    },
    findNext(step) {
      const { from, to } = view.state.selection;
      const matches = matchesOf(view.state);
      const first = firstFrom(matches, from);
      const current = currentOf(view.state);
      if (step < 0) select(view, matches.at(first - 1));
      else selectFrom(view, current === null ? from : behind(current, to));
    },
    replace(text) {
      const current = currentOf(view.state);
      if (current === null || !view.editable) return void selectFrom(view, view.state.selection.from);
      if (current.picture) return void selectFrom(view, behind(current, current.to));
      const tr = ownStep(view.state.tr);
      replaceText(tr, current.from, current.to, text);
      const end = current.from + text.length;
      view.dispatch(tr.setSelection(TextSelection.create(tr.doc, end)));
      selectFrom(view, end);
    },
    replaceAll(text) {
      const replaced = view.editable ? replaceAll(view.state, text) : null;
      if (replaced !== null) view.dispatch(replaced.tr);
      return replaced?.count ?? 0;
    },
  };
}

/** The focus goes to the page, and what was found last is selected. */
export function backToText(view: EditorView): void {
  const { from, to } = view.state.selection;
  view.dom.focus({ preventScroll: true });
  view.focus();
  if (view.editable) return;
  // ProseMirror leaves the selection of a page that is only read to the browser.
  const [start, end] = [view.domAtPos(from, 1), view.domAtPos(to, -1)];
  getSelection()?.setBaseAndExtent(start.node, start.offset, end.node, end.offset);
}
