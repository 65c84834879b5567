// What keys do. Escape lets the next Tab leave the editor even from within a list or a table.
import { baseKeymap, chainCommands, createParagraphNear, liftEmptyBlock, newlineInCode, splitBlockAs } from "prosemirror-commands";
import { redo, undo } from "prosemirror-history";
import { keymap } from "prosemirror-keymap";
import { liftListItem } from "prosemirror-schema-list";
import { type Command, Plugin } from "prosemirror-state";
import { become, commandNamed, inSameLanguage, outOf } from "./commands.ts";
import { indent, inList, outdent, splitItem, toggleChecked } from "./lists.ts";
import { leaveMath } from "./math.ts";
import { abovePicture, belowPicture, withoutPicture } from "./picture_commands.ts";
import { schema } from "./schema.ts";
import { belowTable, emptyCells, goToCell } from "./tables.ts";
import { unmake } from "./typing.ts";

const { list_item, paragraph, heading, divider, code_block, math_block, blockquote, aside } = schema.nodes;

const lineBreak: Command = chainCommands(emptyCells, (state, dispatch) => {
  dispatch?.(state.tr.insertText("\n").scrollIntoView());
  return true;
});

/** At its beginning, Backspace first makes an ordinary paragraph of what is more than that, and then joins it. */
const plainAtStart: Command = (state, dispatch, view) => {
  const { $from, empty } = state.selection;
  if (!empty || $from.parentOffset > 0) return false;
  const container = $from.depth > 1 && $from.index(-1) === 0 ? $from.node(-1).type : null;
  if (container === list_item) return liftListItem(list_item)(state, dispatch);
  if (container === blockquote || container === aside) return outOf(container)(state, dispatch, view);
  const special = [heading, divider, code_block, math_block].includes($from.parent.type);
  return special ? become(paragraph)(state, dispatch) : withoutPicture(state, dispatch);
};

/** Enter at the end of an empty last line leaves code, or a formula. */
const leaveCode: Command = (state, dispatch) => {
  const { $from, empty } = state.selection;
  const text = $from.parent.textContent;
  if (!empty || !$from.parent.type.spec.code || $from.parentOffset < text.length || !text.endsWith("\n")) return false;
  const tr = state.tr.delete($from.pos - 1, $from.pos);
  dispatch?.(tr.split(tr.selection.from, 1, [{ type: paragraph }]).scrollIntoView());
  return true;
};

/** What is behind the caret under a rule becomes a paragraph: it has no rule of its own. */
const splitBlock = splitBlockAs((node, _, $from) => (node.type === divider && $from.parentOffset > 0 ? { type: paragraph } : null));

/** What Enter does. */
export const enter = inSameLanguage(
  chainCommands(emptyCells, leaveMath, leaveCode, newlineInCode, belowPicture, splitItem, createParagraphNear, liftEmptyBlock, splitBlock),
);

/** Every key that deletes a selection empties cells first: systems have several. */
const deleting = Object.fromEntries(
  Object.entries(baseKeymap)
    .filter(([, command]) => command === baseKeymap.Backspace || command === baseKeymap.Delete)
    .map(([key]) => [key, emptyCells]),
);

/** What Backspace does before it deletes. */
export const backspace = chainCommands(unmake, emptyCells, plainAtStart);

export function keyboard(): Plugin[] {
  let leaving = false;
  const tab = (...commands: Command[]): Command => (state, dispatch, view) => !leaving && chainCommands(...commands)(state, dispatch, view);
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
    ...deleting,
    "Mod-b": named("strong"),
    "Mod-i": named("em"),
    "Mod-u": named("underline"),
    "Mod-Shift-x": named("strikethrough"),
    "Mod-e": named("code"),
    "Mod-Shift-h": named("highlight"),
    "Mod-,": named("subscript"),
    "Mod-.": named("superscript"),
    "Mod-Shift-m": named("math"),
    "Mod-z": undo,
    "Mod-y": redo,
    "Shift-Mod-z": redo,
    Enter: enter,
    "Mod-Enter": toggleChecked,
    "Shift-Enter": lineBreak,
    Backspace: backspace,
    Tab: tab(inList(indent), goToCell(1)),
    "Shift-Tab": tab(inList(outdent), goToCell(-1)),
    ArrowDown: belowTable,
    ArrowUp: abovePicture,
    "Mod-Alt-0": named("paragraph"),
    "Mod-Alt-1": named("heading", 1),
    "Mod-Alt-2": named("heading", 2),
    "Mod-Alt-3": named("heading", 3),
    "Mod-Shift-7": named("numbered"),
    "Mod-Shift-8": named("bulleted"),
    "Mod-Shift-9": named("check"),
  });
  return [escape, bindings, keymap(baseKeymap)];
}
