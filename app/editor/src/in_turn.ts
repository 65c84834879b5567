// Commands made of others.
import { type Command, EditorState, Selection, type Transaction } from "prosemirror-state";

/** One command after another as one transaction; those that don't apply are left out. */
export function inTurn(commands: Command[]): Command {
  return (state, dispatch) => {
    const tr = state.tr;
    for (const command of commands) append(tr, command);
    if (!tr.docChanged) return false;
    dispatch?.(tr.scrollIntoView());
    return true;
  };
}

/** Goes on with a transaction by what a command does. False if that does not apply. */
export function append(tr: Transaction, command: Command): boolean {
  // Without plugins, which would repair what is only half done.
  const state = EditorState.create({ doc: tr.doc, selection: tr.selection });
  return command(state, (part) => {
    for (const step of part.steps) tr.step(step);
    tr.setSelection(Selection.fromJSON(tr.doc, part.selection.toJSON()));
    if (part.storedMarksSet) tr.setStoredMarks(part.storedMarks);
  });
}
