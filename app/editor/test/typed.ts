// Typing as the view of an editor does it, without one: a rule may take what is typed, and it is inserted otherwise.
import type { EditorState, Transaction } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";

export function typed(desk: { state: EditorState }, dispatch: (tr: Transaction) => void, text: string): void {
  const { from, to } = desk.state.selection;
  const view = { get state() { return desk.state; }, composing: false, dispatch } as unknown as EditorView;
  const write = () => desk.state.tr.insertText(text, from, to);
  const taken = desk.state.plugins.some((plugin) => plugin.props.handleTextInput?.call(plugin, view, from, to, text, write));
  if (!taken) dispatch(write());
}
