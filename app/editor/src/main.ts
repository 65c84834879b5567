// The rich-text editor of a page. A thin view: it shows blocks and reports edits; the document itself is in Rust.
import { history } from "prosemirror-history";
import { type Command, EditorState, TextSelection, type Transaction } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { blockMenu } from "./block_menu.ts";
import { documentOf, flatten } from "./blocks.ts";
import { shortBrowserUndo } from "./browser_undo.ts";
import { canonicalForm } from "./canonical.ts";
import { changes, withChanges } from "./changes.ts";
import { checkboxes, withBoxes } from "./checkboxes.ts";
import { commandNamed, formattingOf } from "./commands.ts";
import { comments, selectedText, toThread, withBegun } from "./comments.ts";
import { composition } from "./composition.ts";
import { cursors, withCursors } from "./cursors.ts";
import { editsOf } from "./edits.ts";
import { figures } from "./figures.ts";
import { finder, finding, foundIn, queryOf, withQuery } from "./find.ts";
import { wholeGraphemes } from "./graphemes.ts";
import { keyboard } from "./keyboard.ts";
import { mathematics } from "./math.ts";
import { movedComments } from "./moved.ts";
import { ownTransaction } from "./own.ts";
import { applied } from "./own_step.ts";
import { changePicture, insertPicture, pictureAt } from "./picture_commands.ts";
import { PictureCopies } from "./picture_copies.ts";
import { picturePaste } from "./picture_paste.ts";
import { pointOf, positionOf } from "./points.ts";
import { readAloud, reader } from "./reading.ts";
import { remoteMeta, remoteTransaction } from "./remote.ts";
import { rangeToChange, suggestedIn, suggestions, toInsertion, withSuggested } from "./suggestions.ts";
import type { Block, Cursor, Handle, Options, Suggested } from "./types.ts";
import { tableHeadings, wholeTables } from "./tables.ts";
import { typing } from "./typing.ts";
import { undoing } from "./undo.ts";
import { countsOf } from "./words.ts";

function mount(host: HTMLElement, options: Options): Handle {
  let { editable } = options;
  let composing = false;
  let waitingCursors: Cursor[] | null = null;
  let waitingSuggestions: Suggested[] | null = null;

  const commented = comments();
  const copies = new PictureCopies();
  const pasting = picturePaste(options, copies, () => editable && !composing);
  const plugins = [
    // Before whatever else takes what is pasted.
    pasting.plugin,
    wholeTables(),
    typing(),
    ...(options.menu === undefined ? [] : [blockMenu(options.menu, options.onDescribe)]),
    ...keyboard(),
    // Behind the keys: Backspace first takes back what was made of what was typed.
    mathematics(options.math),
    wholeGraphemes(),
    undoing(),
    history(),
    shortBrowserUndo(),
    canonicalForm(),
    tableHeadings(),
    checkboxes(options.done, () => editable),
    figures(options, copies),
    cursors(),
    commented.plugin,
    suggestions(),
    movedComments(),
    changes(),
    finding(() => composing),
    readAloud(),
    composition((active) => {
      composing = active;
      if (!active && waitingCursors !== null) handle.setCursors(waitingCursors);
      if (!active && waitingSuggestions !== null) showSuggestions(waitingSuggestions);
      options.onComposition(active);
      if (!active) pasting.goOn();
    }),
  ];
  const stateOf = (blocks: Block[]) => EditorState.create({ doc: documentOf(blocks), plugins });

  const view = new EditorView(host, {
    state: stateOf(options.blocks),
    editable: () => editable,
    attributes: () => ({
      role: "textbox",
      "aria-multiline": "true",
      "aria-label": options.label,
      "aria-readonly": String(!editable),
      // A read-only page can still be reached and scrolled by keyboard.
      tabindex: "0",
      spellcheck: "true",
      class: "editor",
    }),
    dispatchTransaction: dispatch,
    handleDOMEvents: {
      focus: () => void tellSelection(),
      blur: () => void options.onSelection(null),
      beforeinput: (_, event) => {
        // Menus and gestures undo through the browser, whose own history knows nothing of the document.
        if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return false;
        event.preventDefault();
        return run(event.inputType === "historyUndo" ? "undo" : "redo");
      },
    },
  });

  let told: string | null = null;
  tellState();

  function dispatch(tr: Transaction): void {
    const before = view.state;
    const { state, transactions } = applied(before, tr);
    view.updateState(state);
    const edits = transactions.filter((part) => !part.getMeta(remoteMeta)).flatMap(editsOf);
    if (edits.length > 0) options.onEdits(edits);
    if (!before.selection.eq(state.selection) || before.doc !== state.doc) tellSelection();
    tellState();
    tellFound();
  }

  function tellSelection(): void {
    if (!view.hasFocus()) return;
    const { doc, selection } = view.state;
    options.onSelection({ anchor: pointOf(doc, selection.anchor), head: pointOf(doc, selection.head) });
  }

  function tellState(): void {
    const state = formattingOf(view.state);
    const telling = JSON.stringify(state);
    if (told === telling) return;
    told = telling;
    options.onState(state);
  }

  let toldFound = "null";
  function tellFound(): void {
    const found = foundIn(view.state);
    const telling = JSON.stringify(found);
    if (toldFound === telling) return;
    toldFound = telling;
    options.onFound?.(found);
  }

  function showSuggestions(suggested: Suggested[]): void {
    // As for the carets of others.
    waitingSuggestions = composing ? suggested : null;
    if (composing || JSON.stringify(suggestedIn(view.state)) === JSON.stringify(suggested)) return;
    view.dispatch(withSuggested(view.state.tr, suggested));
  }

  /** Shows what a comment is being written about. */
  function begin(range: { from: number; to: number } | null) {
    if (range === null) return null;
    const { doc } = view.state;
    view.dispatch(withBegun(view.state, range));
    return { anchor: pointOf(doc, range.from), head: pointOf(doc, range.to) };
  }

  function run(name: string, value?: string | number): boolean {
    const command = commandNamed(name, value);
    return command !== null && carryOut(command);
  }

  function carryOut(command: Command): boolean {
    return editable && command(view.state, view.dispatch.bind(view), view);
  }

  const handle: Handle = {
    catchUp() {
      if (view.hasFocus() && !composing) document.dispatchEvent(new Event("selectionchange"));
    },
    apply(edits) {
      if (edits.length === 0) return;
      view.dispatch(remoteTransaction(view.state, edits));
    },
    perform(edits) {
      if (!editable) throw new RangeError("the page can't be written on");
      view.dispatch(ownTransaction(view.state, edits));
    },
    reset(blocks) {
      const { doc, selection } = view.state;
      const anchor = pointOf(doc, selection.anchor);
      const head = pointOf(doc, selection.head);
      const state = stateOf(blocks);
      const range = TextSelection.between(
        state.doc.resolve(positionOf(state.doc, anchor)),
        state.doc.resolve(positionOf(state.doc, head)),
      );
      const tr = withSuggested(state.tr.setSelection(range), suggestedIn(view.state));
      view.updateState(state.apply(withQuery(tr, queryOf(view.state))));
      tellSelection();
      tellState();
      tellFound();
    },
    setCursors(shown) {
      // Drawing in the paragraph that is being composed would end the composition.
      waitingCursors = composing ? shown : null;
      if (composing) return;
      view.dispatch(withCursors(view.state, shown));
    },
    setThreads(threads) {
      commented.show(threads);
      showSuggestions(threads.suggested);
    },
    beginComment: () => begin(selectedText(view.state)),
    beginSuggestion: () => begin(rangeToChange(view.state)),
    endComment: () => view.dispatch(withBegun(view.state, null)),
    goToThread(thread) {
      const tr = toThread(view.state, thread) ?? toInsertion(view.state, thread);
      if (tr === null) return false;
      view.dispatch(tr);
      view.focus();
      return true;
    },
    setChanges(shown) {
      view.dispatch(withChanges(view.state, shown));
    },
    setEditable(now) {
      editable = now;
      view.dispatch(withBoxes(view.state));
      pasting.goOn();
    },
    command(name, value) {
      run(name, value);
      view.focus();
    },
    insertPicture(picture) {
      carryOut(insertPicture(picture));
      view.focus();
    },
    setPicture(block, picture) {
      if (!carryOut(changePicture(block, picture))) throw new RangeError("the page can't be written on");
    },
    picture: () => pictureAt(view.state),
    focus: () => view.focus(),
    ...finder(view),
    ...reader(view),
    counts: () => countsOf(view.state),
    blocks: () => flatten(view.state.doc.content),
    destroy: () => view.destroy(),
  };
  return handle;
}

const bridge = { mount };

declare global {
  var meridianEditor: typeof bridge;
}

globalThis.meridianEditor = bridge;
