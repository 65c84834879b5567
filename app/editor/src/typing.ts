// Markdown as it is typed becomes formatting. Undo right after that, or Backspace, gives the characters back.
import { undo } from "prosemirror-history";
import type { MarkType, ResolvedPos } from "prosemirror-model";
import { type Command, type EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { commandNamed, formattingOf } from "./commands.ts";
import { append, inTurn } from "./in_turn.ts";
import { checkedOf, toggleChecked } from "./lists.ts";
import { ownStep } from "./own_step.ts";
import { remoteMeta } from "./remote.ts";
import { schema } from "./schema.ts";
import type { ListKind } from "./types.ts";

const { strong, em, code, math, strikethrough, highlight } = schema.marks;

/** What becomes of characters that end at the caret; null where they stay what they are. */
type Rule = { pattern: RegExp; make: (state: EditorState, match: RegExpExecArray, start: number, end: number) => Transaction | null };

const rules: Rule[] = [
  atStart(/^(#{1,3}) $/, ([, hashes = ""]) => commandNamed("heading", hashes.length)),
  atStart(/^[-*+] $/, () => become("bulleted")),
  atStart(/^1[.)] $/, () => become("numbered")),
  atStart(/^\[ ?\] $/, () => become("check")),
  atStart(/^\[[xX]\] $/, () => inTurn([become("check"), tick])),
  atStart(/^> $/, () => become("quote")),
  atStart(/^```$/, () => commandNamed("code-block")),
  atStart(/^\$\$ $/, () => commandNamed("math-block")),
  atStart(/^(?:---|—-)$/, () => commandNamed("divider")),
  around(/(?<![*\p{L}\p{N}\p{M}_])\*\*([^*\s](?:[^*]*[^*\s])?)\*\*$/u, strong),
  around(/(?<![\p{L}\p{N}\p{M}_])__([^_\s](?:[^_]*[^_\s])?)__$/u, strong),
  around(/(?<![*\p{L}\p{N}\p{M}_])\*([^*\s](?:[^*]*[^*\s])?)\*$/u, em),
  around(/(?<![\p{L}\p{N}\p{M}_])_([^_\s](?:[^_]*[^_\s])?)_$/u, em),
  around(/(?<!`)`([^`]+)`$/, code),
  // A number and what joins it to the next is a price.
  around(/(?<![$\p{L}\p{N}\p{M}_\\])\$(?!\d[^$]*[-–—/+,;:(]\$)([^$\s](?:[^$]*[^$\s\\])?)\$$/u, math),
  around(/(?<![~\p{L}\p{N}\p{M}_])~~([^~\s](?:[^~]*[^~\s])?)~~$/u, strikethrough),
  around(/(?<![=\p{L}\p{N}\p{M}_])==([^=\s](?:[^=]*[^=\s])?)==$/u, highlight),
];

/** What stands further before the caret is not looked at. */
const longest = 500;

/** Whether the last that the person did made something of what they typed. */
const made = new PluginKey<boolean>("made");

export function typing(): Plugin {
  return new Plugin<boolean>({
    key: made,
    state: {
      init: () => false,
      apply(tr, before) {
        const cause = (tr.getMeta("appendedTransaction") as Transaction | undefined) ?? tr;
        if (cause.getMeta(made) === true) return true;
        return before && (cause.getMeta(remoteMeta) === true || !(tr.docChanged || tr.selectionSet));
      },
    },
    props: {
      handleTextInput(view, from, _, text, write) {
        if (view.composing || matching(view.state, from, text).length === 0) return false;
        if (transactionAt(view.state.apply(write()), from, text) === null) return false;
        // What was typed is a step of its own to undo: it stands there again once what was made of it is undone.
        view.dispatch(write());
        makeAt(view, from, text);
        return true;
      },
      handleDOMEvents: {
        compositionend: (view) => {
          // The editor reads the text first.
          setTimeout(() => {
            const { $from, empty } = view.state.selection;
            if (empty && !view.composing && !view.isDestroyed) makeAt(view, $from.pos, "");
          });
        },
      },
    },
  });
}

/** Gives back the characters of which something was just made. */
export const unmake: Command = (state, dispatch, view) => made.getState(state) === true && undo(state, dispatch, view);

function makeAt(view: EditorView, from: number, text: string): void {
  const tr = transactionAt(view.state, from, text);
  if (tr === null) return;
  view.dispatch(ownStep(tr.setMeta(made, true)));
}

/** What becomes of the text that stands there from a position on, with what is before it. */
function transactionAt(state: EditorState, from: number, text: string): Transaction | null {
  const end = from + text.length;
  if (end > state.doc.content.size || state.doc.textBetween(from, end) !== text) return null;
  for (const { rule, match } of matching(state, from, text)) {
    const start = end - match[0].length;
    const tr = state.doc.rangeHasMark(start, end, code) ? null : rule.make(state, match, start, end);
    if (tr !== null) return tr;
  }
  return null;
}

/** The rules for text from a position on, whether it stands there already or not. */
function matching({ doc }: EditorState, from: number, text: string): { rule: Rule; match: RegExpExecArray }[] {
  const { parent, parentOffset } = doc.resolve(from);
  if (!parent.isTextblock || parent.type.spec.code) return [];
  const letters = parent.textBetween(Math.max(parentOffset - longest, 0), parentOffset, null, "\ufffc") + text;
  return rules.flatMap((rule) => {
    const match = rule.pattern.exec(letters);
    // What was made is of what was just typed.
    return match !== null && match[0].length >= text.length ? [{ rule, match }] : [];
  });
}

/** What is typed at the beginning of an ordinary paragraph, and the command that it stands for. */
function atStart(pattern: RegExp, command: (match: RegExpExecArray) => Command | null): Rule {
  return {
    pattern,
    make(state, match, start, end) {
      if (state.doc.resolve(start).parent.type !== schema.nodes.paragraph) return null;
      const tr = state.tr.delete(start, end);
      const found = command(match);
      return found !== null && append(tr, found) ? tr : null;
    },
  };
}

/** A list or a quote; what is of that kind already stays so, as for those who type the characters before each item. */
function become(name: ListKind | "quote"): Command {
  return (state, dispatch, view) => {
    const { list, quote } = formattingOf(state);
    if (name === "quote" ? !quote : list !== name) return commandNamed(name)?.(state, dispatch, view) ?? false;
    dispatch?.(state.tr);
    return true;
  };
}

/** Says that an item is done. */
const tick: Command = (state, dispatch) => checkedOf(state.selection.$from.parent) === false && toggleChecked(state, dispatch);

/** Characters around text that stand for a mark. */
function around(pattern: RegExp, type: MarkType): Rule {
  return {
    pattern,
    make(state, match, start, end) {
      if (type !== code && inUnclosedCode(state.doc.resolve(start))) return null;
      if (type === math && beforeDigit(state.doc.resolve(end))) return null;
      const text = match[1] ?? "";
      const opening = match[0].indexOf(text);
      const tr = state.tr.delete(start + opening + text.length, end).delete(start, start + opening);
      return tr.addMark(start, start + text.length, type.create()).removeStoredMark(type);
    },
  };
}

/** Whether what is typed here is in code that is still to be closed. */
function inUnclosedCode($position: ResolvedPos): boolean {
  const before = $position.parent.textBetween(0, $position.parentOffset);
  return before.split("`").length % 2 === 0;
}

/** Whether a character that is typed here comes before a digit: what looks like a formula's end is another price. */
function beforeDigit({ parent, parentOffset }: ResolvedPos): boolean {
  return /^\d/.test(parent.textBetween(parentOffset, parent.content.size));
}
