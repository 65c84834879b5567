// What the toolbar and the keyboard can do.
import { toggleMark } from "prosemirror-commands";
import { redo, redoDepth, undo, undoDepth } from "prosemirror-history";
import type { MarkType, NodeType, ResolvedPos } from "prosemirror-model";
import { type Command, type EditorState, TextSelection } from "prosemirror-state";
import { liftTarget } from "prosemirror-transform";
import { textblockName } from "./blocks.ts";
import { selectedText, threadsAt } from "./comments.ts";
import { inTurn } from "./in_turn.ts";
import { attributesOf, canonicalLanguage, inItsLanguage, languageOf, withAttributes } from "./language.ts";
import { eachBlock, indent, isList, listKind, outdent, outOfLists, setBlocks, toggleList } from "./lists.ts";
import { toggleMath } from "./math.ts";
import { ownStep } from "./own_step.ts";
import { pictureAt } from "./picture_commands.ts";
import { beginOf, countBlocks } from "./points.ts";
import { headingLevel, linkTarget, schema } from "./schema.ts";
import { insertionsAt, mayBeChanged } from "./suggestions.ts";
import { inTable, insertTable, tableCommands } from "./tables.ts";
import type { Formatting, Shape } from "./types.ts";

const { paragraph, heading, code_block, math_block, divider, blockquote, aside, list_item } = schema.nodes;
const { link, subscript, superscript } = schema.marks;

/** The marks that are there or not, by the names of their commands. */
const toggles = ["strong", "em", "underline", "strikethrough", "code", "highlight", "subscript", "superscript"] as const;
type Toggle = (typeof toggles)[number];

/** The command of a name, or null if there is none. */
export function commandNamed(name: string, value?: string | number): Command | null {
  if (name === "undo") return undo;
  if (name === "redo") return redo;
  const command = changeNamed(name, value);
  return command && ((state, dispatch, view) => command(state, dispatch && ((tr) => dispatch(ownStep(tr))), view));
}

function changeNamed(name: string, value?: string | number): Command | null {
  if (isToggle(name)) return toggle(name);
  if (isOfTable(name)) return tableCommands[name];
  switch (name) {
    case "bulleted":
    case "numbered":
    case "check":
      return outsideTables(toggleList(name));
    case "quote":
      return outsideTables(toggleAround(blockquote));
    case "paragraph":
      return plainAs(paragraph, {});
    case "heading":
      return plainAs(heading, { level: Math.min(Math.max(Math.trunc(Number(value)) || 1, 1), 3) });
    case "code-block":
      return plainAs(code_block, {});
    case "callout":
      return outsideTables(inTurn([plainAs(paragraph, {}), around(aside)]));
    case "divider":
      return outsideTables(ruled);
    case "math":
      return toggleMath;
    case "math-block":
      return plainAs(math_block, {});
    case "table":
      return insertTable;
    case "language":
      return setLanguage(String(value ?? ""));
    case "link":
      return linkTo(String(value ?? ""));
    case "indent":
      return indent;
    case "outdent":
      return outdent;
    default:
      return null;
  }
}

/** What the toolbar shows for a state. */
export function formattingOf(state: EditorState): Formatting {
  const { $head } = state.selection;
  const block = $head.parent;
  const inCallout = block.type === paragraph && within($head, aside);
  return {
    marks: [...toggles, "math" as const].filter((name) => markActive(state, schema.marks[name])),
    block: inCallout ? "callout" : block.isTextblock ? textblockName(block) : paragraph.name,
    level: block.type === heading ? headingLevel(block) : null,
    list: listKind(state),
    quote: within($head, blockquote),
    table: inTable(state),
    picture: pictureAt(state)?.picture ?? null,
    language: languageOf(block),
    link: linkAround(state)?.address ?? null,
    selected: selectedText(state) !== null,
    changeable: mayBeChanged(state),
    threads: [...threadsAt(state), ...insertionsAt(state)],
    canUndo: undoDepth(state) > 0,
    canRedo: redoDepth(state) > 0,
  };
}

// Marks

function isToggle(name: string): name is Toggle {
  return toggles.includes(name as Toggle);
}

function isOfTable(name: string): name is keyof typeof tableCommands {
  return Object.hasOwn(tableCommands, name);
}

function toggle(name: Toggle): Command {
  const marking = toggleMark(schema.marks[name], null, { removeWhenPresent: false });
  const other = name === "subscript" ? superscript : name === "superscript" ? subscript : null;
  if (other === null) return marking;
  // Text is written low or high, not both.
  return (state, dispatch, view) =>
    marking(state, dispatch && ((tr) => {
      const { from, to, empty } = state.selection;
      if (empty) tr.removeStoredMark(other);
      else tr.removeMark(from, to, other);
      dispatch(tr);
    }), view);
}

function markActive({ selection, storedMarks, doc }: EditorState, type: MarkType): boolean {
  const isSet = (marks: ReturnType<ResolvedPos["marks"]>) => {
    const mark = type.isInSet(marks);
    return mark !== undefined && mark.attrs.value !== false;
  };
  if (selection.empty) return isSet(storedMarks ?? selection.$from.marks());
  let active = true;
  let text = false;
  doc.nodesBetween(selection.from, selection.to, (node) => {
    if (node.isText) {
      text = true;
      active &&= isSet(node.marks);
    }
  });
  return text && active;
}

/** The link that the selection begins in: its address and where it stands. */
function linkAround({ selection, doc }: EditorState): { address: string; from: number; to: number } | null {
  const { $from } = selection;
  const at = $from.parentOffset;
  const inside = $from.parent.childAfter(at).node ?? null;
  const mark = link.isInSet(inside?.marks ?? []) ?? link.isInSet($from.marks());
  if (mark === undefined || !$from.parent.isTextblock) return null;
  let from: number | null = null;
  let to = $from.start();
  doc.nodesBetween($from.start(), $from.end(), (node, position) => {
    if (!node.isText) return;
    const same = mark.isInSet(node.marks);
    if (same && (from === null || to < position) && position <= $from.pos) from = position;
    if (same && from !== null && (to === position || from === position)) to = position + node.nodeSize;
  });
  return from === null ? null : { address: linkTarget(mark).href, from, to };
}

/** Makes a link of what is selected, or changes the one the caret is in. Without either, the address is the text. */
function linkTo(address: string): Command {
  return (state, dispatch) => {
    const { selection } = state;
    const around = linkAround(state);
    const tr = state.tr;
    const [from, to] = selection.empty && around !== null ? [around.from, around.to] : [selection.from, selection.to];
    if (address === "") {
      dispatch?.(tr.removeMark(from, to, link));
      return true;
    }
    const mark = link.create({ value: JSON.stringify({ href: address, title: "" }) });
    if (from < to) tr.removeMark(from, to, link).addMark(from, to, mark);
    else tr.replaceSelectionWith(schema.text(address, [...(state.storedMarks ?? selection.$from.marks()), mark]), false);
    dispatch?.(tr.scrollIntoView());
    return true;
  };
}

// Blocks

/** Each selected block out of lists and callouts, and of this type. */
function plainAs(type: NodeType, data: Shape["attrs"]): Command {
  return outsideTables(inTurn([outOfLists, eachBlock(outOf(aside)), become(type, data)]));
}

/** Makes each selected block one of this type. */
export function become(type: NodeType, data: Shape["attrs"] = {}): Command {
  return ({ selection, tr }, dispatch) => {
    setBlocks(tr, selection, type, (node) => ({ data: inItsLanguage(node, data) }));
    if (!tr.docChanged) return false;
    dispatch?.(tr.scrollIntoView());
    return true;
  };
}

/** Says which language the selected blocks are in. Without a tag they say nothing; what is no tag changes nothing. */
function setLanguage(tag: string): Command {
  return ({ selection, doc, tr }, dispatch) => {
    const lang = canonicalLanguage(tag);
    if (lang === null && tag !== "") return false;
    doc.nodesBetween(selection.from, selection.to, (node, position) => {
      if (!node.isTextblock) return true;
      const { lang: had, ...others } = attributesOf(node);
      if ((had ?? null) !== lang) tr.setNodeMarkup(position, null, withAttributes(node, lang === null ? others : { ...others, lang }));
      return false;
    });
    if (!tr.docChanged) return false;
    dispatch?.(tr);
    return true;
  };
}

/** A block that a command begins behind the caret goes on in the language of the one before. */
export function inSameLanguage(command: Command): Command {
  return (state, dispatch, view) =>
    command(state, dispatch && ((tr) => {
      const { lang } = attributesOf(state.selection.$from.parent);
      const { $from } = tr.selection;
      const fresh = $from.parent;
      const begun = countBlocks(tr.doc) > countBlocks(state.doc) && fresh.isTextblock;
      if (begun && lang !== undefined && attributesOf(fresh).lang === undefined) {
        const { storedMarks } = tr;
        tr.setNodeMarkup($from.before(), null, withAttributes(fresh, { ...attributesOf(fresh), lang })).setStoredMarks(storedMarks);
      }
      dispatch(tr);
    }), view);
}

/** A cell begins with a paragraph, which carries its marker: text in it is not made another block. */
function outsideTables(command: Command): Command {
  return (state, dispatch, view) => !inTable(state) && command(state, dispatch, view);
}

function within($position: ResolvedPos, type: NodeType): boolean {
  for (let depth = $position.depth; depth > 0; depth--) if ($position.node(depth).type === type) return true;
  return false;
}

function toggleAround(type: NodeType): Command {
  return (state, dispatch, view) => (within(state.selection.$from, type) ? outOf(type) : around(type))(state, dispatch, view);
}

/** Puts the selected blocks, lists whole, into a container. */
function around(type: NodeType): Command {
  return (state, dispatch) => {
    const { $from, $to } = state.selection;
    const range = $from.blockRange($to, (node) => !isList(node) && node.type !== list_item && !node.isTextblock);
    if (range === null) return false;
    const { parent, startIndex, endIndex } = range;
    if (!parent.canReplaceWith(startIndex, endIndex, type)) return false;
    dispatch?.(state.tr.wrap(range, [{ type }]).scrollIntoView());
    return true;
  };
}

/** Takes the selected blocks out of the innermost container of a type. */
export function outOf(type: NodeType): Command {
  return (state, dispatch) => {
    const { $from, $to } = state.selection;
    const range = $from.blockRange($to, (node) => node.type === type);
    const target = range && liftTarget(range);
    if (range === null || target === null) return false;
    dispatch?.(state.tr.lift(range, target).scrollIntoView());
    return true;
  };
}

/** A rule under the block the caret is in, or above it if that is empty. */
const ruled: Command = (state, dispatch) => {
  const $from = beginOf(state.selection);
  if ($from.parent.type === paragraph && $from.parent.content.size === 0) return become(divider)(state, dispatch);
  const tr = state.tr;
  const after = $from.end();
  tr.split(after, 1, [{ type: divider, attrs: { data: inItsLanguage($from.parent, {}) } }]).setSelection(TextSelection.create(tr.doc, after + 2));
  dispatch?.(tr.scrollIntoView());
  return true;
};
