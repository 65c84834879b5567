// Markdown as it is typed becomes formatting. Backspace right after that gives the characters back.
import { InputRule, inputRules } from "prosemirror-inputrules";
import type { MarkType, ResolvedPos } from "prosemirror-model";
import type { Command, Plugin } from "prosemirror-state";
import { commandNamed, formattingOf } from "./commands.ts";
import { append, inTurn } from "./in_turn.ts";
import { checkedOf, toggleChecked } from "./lists.ts";
import { schema } from "./schema.ts";
import type { ListKind } from "./types.ts";

const { strong, em, code, math, strikethrough, highlight } = schema.marks;

export function typing(): Plugin {
  return inputRules({
    rules: [
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
    ],
  });
}

/** What is typed at the beginning of an ordinary paragraph, and the command that it stands for. */
function atStart(pattern: RegExp, command: (match: RegExpMatchArray) => Command | null): InputRule {
  return new InputRule(
    pattern,
    (state, match, start, end) => {
      if (state.doc.resolve(start).parent.type !== schema.nodes.paragraph) return null;
      const tr = state.tr.delete(start, end);
      const found = command(match);
      return found !== null && append(tr, found) ? tr : null;
    },
    { inCode: false },
  );
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
function around(pattern: RegExp, type: MarkType): InputRule {
  return new InputRule(
    pattern,
    (state, match, start, end) => {
      if (type !== code && inUnclosedCode(state.doc.resolve(start))) return null;
      if (type === math && beforeDigit(state.doc.resolve(end))) return null;
      const text = match[1] ?? "";
      const opening = match[0].indexOf(text);
      // What was typed last is not in the document yet: mostly the closing character, from some keyboards all of it.
      const here = Math.min(commonPrefix(state.doc.textBetween(start, end), match[0]), opening + text.length);
      const rest = text.slice(Math.max(here - opening, 0));
      const tr = state.tr;
      if (rest !== "") tr.insertText(rest, start + here, end);
      else if (start + here < end) tr.delete(start + here, end);
      if (opening > 0 && here > 0) tr.delete(start, start + Math.min(opening, here));
      tr.addMark(start, start + text.length, type.create());
      return tr.removeStoredMark(type);
    },
    { inCodeMark: false },
  );
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

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
