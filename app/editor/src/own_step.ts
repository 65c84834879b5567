// What is a step of its own to undo, however soon it comes behind something else, and something else behind it.
import { closeHistory } from "prosemirror-history";
import type { EditorState, Transaction } from "prosemirror-state";

const key = "ownStep";

/** Makes a transaction such a step, for {@link applied}. */
export function ownStep(tr: Transaction): Transaction {
  return closeHistory(tr.setMeta(key, true));
}

/** What becomes of a state by a transaction, and those that plugins append to it. */
export function applied(before: EditorState, tr: Transaction): { state: EditorState; transactions: readonly Transaction[] } {
  const isOwn = tr.getMeta(key) === true || isMoved(tr);
  const { state, transactions } = before.applyTransaction(isOwn ? closeHistory(tr) : tr);
  return { state: isOwn && tr.docChanged ? state.apply(closeHistory(state.tr)) : state, transactions };
}

/** Whether it was pasted, cut or dropped. */
function isMoved(tr: Transaction): boolean {
  return ["paste", "cut", "drop"].includes(tr.getMeta("uiEvent") as string);
}
