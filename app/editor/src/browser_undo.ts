// A browser keeps what it needs to undo what was typed, though the page has an undo of its own.

import { Plugin } from "prosemirror-state";

/**
 * Keeps Chromium's record short. One step of it grows by 1.5 KB with each letter for as long as somebody types on, and ends where the
 * selection is set; of ended ones it keeps a thousand. Phones' keyboards would forget the word they complete, and others have no need.
 */
export function shortBrowserUndo(): Plugin {
  return new Plugin({
    props: {
      handleDOMEvents: {
        input(view, event) {
          if (!isChromiumOnDesktop || view.composing || (event as InputEvent).isComposing) return false;
          const selection = view.dom.ownerDocument.getSelection();
          if (selection?.isCollapsed && selection.focusNode) selection.collapse(selection.focusNode, selection.focusOffset);
          return false;
        },
      },
    },
  });
}

const isChromiumOnDesktop = /Chrome\/\d/.test(navigator.userAgent) && !/Android/.test(navigator.userAgent);
