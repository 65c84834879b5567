// Edits that the program makes for the person: reported like what they type, and undone as one step.
import type { EditorState, Transaction } from "prosemirror-state";
import { ReplaceStep, Transform } from "prosemirror-transform";
import { ownStep } from "./own_step.ts";
import { applyEdit } from "./remote.ts";
import type { Edit } from "./types.ts";

/** One transaction with all the edits. Throws a RangeError if an edit names a block that does not exist. */
export function ownTransaction(state: EditorState, edits: Edit[]): Transaction {
  const tr = ownStep(state.tr);
  for (const edit of edits) {
    if (edit.op === "text" || edit.op === "mark") applyEdit(tr, edit);
    else applyNarrowly(tr, edit);
  }
  return tr;
}

// What others do beside it stays when it is undone: only what differs is replaced.
function applyNarrowly(tr: Transaction, edit: Edit): void {
  const whole = new Transform(tr.doc);
  applyEdit(whole, edit);
  const start = tr.doc.content.findDiffStart(whole.doc.content);
  const end = tr.doc.content.findDiffEnd(whole.doc.content);
  if (start === null || end === null) return;
  const overlap = Math.max(start - Math.min(end.a, end.b), 0);
  const to = end.a + overlap;
  const result = ReplaceStep.prototype.apply.call(new ReplaceStep(start, to, whole.doc.slice(start, end.b + overlap)), tr.doc);
  if (result.doc?.eq(whole.doc)) tr.step(new ReplaceStep(start, to, whole.doc.slice(start, end.b + overlap)));
  else tr.step(new ReplaceStep(0, tr.doc.content.size, whole.doc.slice(0, whole.doc.content.size)));
}
