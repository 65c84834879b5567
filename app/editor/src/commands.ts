// What the toolbar and the keyboard can do, and what keeps the tree in the one form that stands for its blocks.
import { baseKeymap, chainCommands, createParagraphNear, liftEmptyBlock, newlineInCode, setBlockType, splitBlock, toggleMark } from "prosemirror-commands";
import { redo, redoDepth, undo, undoDepth } from "prosemirror-history";
import { keymap } from "prosemirror-keymap";
import type { MarkType, Node, NodeType } from "prosemirror-model";
import { liftListItem, sinkListItem, splitListItem, wrapInList } from "prosemirror-schema-list";
import { type Command, EditorState, Plugin, type Transaction } from "prosemirror-state";
import { beginsItem, placedFreely, settled, textblockName } from "./blocks.ts";
import { changedChildren, childStart, withinText } from "./edits.ts";
import { remoteMeta } from "./remote.ts";
import { headingLevel, schema } from "./schema.ts";
import type { Formatting } from "./types.ts";

const { bullet_list, ordered_list, list_item, paragraph, heading } = schema.nodes;
const { strong, em } = schema.marks;

/** Lists are not nested deeper than anyone can read. */
const deepestList = 8;

/** The command of a name, or null if there is none. */
export function commandNamed(name: string, value?: string | number): Command | null {
  switch (name) {
    case "strong":
      return toggleMark(strong);
    case "em":
      return toggleMark(em);
    case "bulleted":
      return toggleList(bullet_list);
    case "numbered":
      return toggleList(ordered_list);
    case "paragraph":
      return outOfListsAs(paragraph, {});
    case "heading":
      return outOfListsAs(heading, { level: Math.min(Math.max(Math.trunc(Number(value)) || 1, 1), 3) });
    case "undo":
      return undo;
    case "redo":
      return redo;
    case "indent":
      return indent;
    case "outdent":
      return liftListItem(list_item);
    default:
      return null;
  }
}

/** What the toolbar shows for a state. */
export function formattingOf(state: EditorState): Formatting {
  const { $head } = state.selection;
  const block = $head.parent;
  const list = listAround(state);
  return {
    strong: markActive(state, strong),
    em: markActive(state, em),
    block: block.isTextblock ? textblockName(block) : paragraph.name,
    level: block.type === heading ? headingLevel(block) : null,
    list: list === null ? null : list.node.type === bullet_list ? "bulleted" : "numbered",
    canUndo: undoDepth(state) > 0,
    canRedo: redoDepth(state) > 0,
  };
}

function markActive({ selection, storedMarks, doc }: EditorState, type: MarkType): boolean {
  if (selection.empty) return type.isInSet(storedMarks ?? selection.$from.marks()) !== undefined;
  return doc.rangeHasMark(selection.from, selection.to, type);
}

/** The innermost list around the whole selection. */
function listAround({ selection }: EditorState): { node: Node; position: number } | null {
  const { $from, $to } = selection;
  for (let depth = $from.sharedDepth($to.pos); depth > 0; depth--) {
    const node = $from.node(depth);
    if (node.type === bullet_list || node.type === ordered_list) return { node, position: $from.before(depth) };
  }
  return null;
}

function toggleList(type: NodeType): Command {
  return (state, dispatch) => {
    const list = listAround(state);
    if (list?.node.type === type) return outOfLists(state, dispatch);
    if (list !== null) {
      dispatch?.(state.tr.setNodeMarkup(list.position, type));
      return true;
    }
    // An item begins with a paragraph: a heading in a list would open differently in other programs.
    return inTurn([setBlockType(paragraph), wrapInList(type)])(state, dispatch);
  };
}

/** Takes the selected items out of every list around them. */
const outOfLists: Command = (state, dispatch) => {
  let depth = 0;
  for (let i = state.selection.$from.depth; i > 0; i--) if (state.selection.$from.node(i).type === list_item) depth++;
  return inTurn(Array.from({ length: depth }, () => liftListItem(list_item)))(state, dispatch);
};

function outOfListsAs(type: NodeType, data: { level?: number }): Command {
  return inTurn([outOfLists, setBlockType(type, { data })]);
}

/** One command after another as one transaction; those that don't apply are left out. */
function inTurn(commands: Command[]): Command {
  return (state, dispatch) => {
    const tr = state.tr;
    // Without plugins, which would repair what is only half done.
    let current = EditorState.create({ doc: state.doc, selection: state.selection });
    for (const command of commands) {
      command(current, (part) => {
        for (const step of part.steps) tr.step(step);
        current = EditorState.create({ doc: part.doc, selection: part.selection });
      });
    }
    if (!tr.docChanged) return false;
    dispatch?.(tr.scrollIntoView());
    return true;
  };
}

const indent: Command = (state, dispatch) => {
  const { $from } = state.selection;
  let depth = 0;
  for (let i = $from.depth; i > 0; i--) if ($from.node(i).type === list_item) depth++;
  return depth < deepestList && sinkListItem(list_item)(state, dispatch);
};

/** Tab belongs to the list while the caret is in one, and moves the focus everywhere else. */
function inList(command: Command): Command {
  return (state, dispatch) => {
    if (listAround(state) === null) return false;
    command(state, dispatch);
    return true;
  };
}

const lineBreak: Command = (state, dispatch) => {
  dispatch?.(state.tr.insertText("\n").scrollIntoView());
  return true;
};

/** At the beginning of an item or a heading, Backspace first makes it an ordinary paragraph. */
const plainAtStart: Command = (state, dispatch) => {
  const { $from, empty } = state.selection;
  if (!empty || $from.parentOffset > 0) return false;
  if ($from.depth > 1 && $from.node(-1).type === list_item && $from.index(-1) === 0) return liftListItem(list_item)(state, dispatch);
  return $from.parent.type === heading && setBlockType(paragraph)(state, dispatch);
};

/** The keyboard. Escape lets the next Tab leave the editor even from within a list. */
export function keyboard(): Plugin[] {
  let leaving = false;
  const tab = (command: Command): Command => (state, dispatch) => !leaving && inList(command)(state, dispatch);
  const named = (name: string, value?: number) => commandNamed(name, value) as Command;
  const escape = new Plugin({
    props: {
      handleDOMEvents: {
        keydown: (_, event) => {
          if (event.key === "Escape") leaving = true;
          else if (event.key !== "Tab" && event.key !== "Shift") leaving = false;
          return false;
        },
        focus: () => {
          leaving = false;
          return false;
        },
      },
    },
  });
  const bindings = keymap({
    "Mod-b": named("strong"),
    "Mod-i": named("em"),
    "Mod-z": undo,
    "Mod-y": redo,
    "Shift-Mod-z": redo,
    Enter: chainCommands(newlineInCode, splitListItem(list_item), createParagraphNear, liftEmptyBlock, splitBlock),
    "Shift-Enter": lineBreak,
    Backspace: plainAtStart,
    Tab: tab(indent),
    "Shift-Tab": tab(liftListItem(list_item)),
    "Mod-Alt-0": named("paragraph"),
    "Mod-Alt-1": named("heading", 1),
    "Mod-Alt-2": named("heading", 2),
    "Mod-Alt-3": named("heading", 3),
    "Mod-Shift-7": named("numbered"),
    "Mod-Shift-8": named("bulleted"),
  });
  return [escape, bindings, keymap(baseKeymap)];
}

/** After a local change of structure, puts the tree into the form that its blocks would be built as. */
export function canonicalForm(): Plugin {
  return new Plugin({
    appendTransaction(transactions, _, state) {
      const structural = transactions.some(
        (tr) => !tr.getMeta(remoteMeta) && tr.steps.some((step, i) => !withinText(step, tr.docs[i] ?? tr.doc)),
      );
      const before = transactions[0]?.before;
      if (!structural || before === undefined) return null;
      const changed = changedChildren(before, state.doc);
      const tr = state.tr;
      const from = childStart(state.doc, Math.max(changed.from - 1, 0));
      const toEnd = state.doc.content.size - childStart(state.doc, Math.min(changed.afterTo + 1, state.doc.childCount));
      while (repairOne(tr, from, tr.doc.content.size - toEnd)) {}
      return tr.docChanged ? tr : null;
    },
  });
}

// Two lists of a kind side by side are one list; an item without a marker of its own belongs to the item before it; and
// only the first paragraph in an item can be one with a marker of its own. What is put into an item has it as its parent.
function repairOne(tr: Transaction, from: number, to: number): boolean {
  let repaired = false;
  tr.doc.nodesBetween(from, to, (node, position, parent, index) => {
    if (repaired || parent === null) return false;
    const before = index > 0 ? parent.child(index - 1) : null;
    if (before?.type === node.type && (isList(node) || (isItem(node) && !beginsItem(node.child(0))))) {
      tr.join(position);
      repaired = true;
    } else if (node.attrs.explicit === true && (index > 0 || !isItem(parent))) {
      tr.setNodeMarkup(position, null, { ...node.attrs, explicit: false });
      repaired = true;
    } else if (node.attrs.nested === false && !placedFreely(node, isItem(parent))) {
      const { type, attrs } = settled(node);
      tr.setNodeMarkup(position, type, attrs);
      repaired = true;
    }
    return !repaired && !node.isTextblock;
  });
  return repaired;
}

function isList(node: Node): boolean {
  return node.type === bullet_list || node.type === ordered_list;
}

function isItem(node: Node): boolean {
  return !isList(node) && !node.isTextblock && node.type !== schema.nodes.doc;
}
