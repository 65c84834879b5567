// When an input method composes text. ProseMirror reads the composed text a little after `compositionend` (by a timer of
// 20 ms at the latest), so the end is told later still: what others wrote may then be shown without disturbing it.
import { Plugin } from "prosemirror-state";

/** Longer than ProseMirror takes to read composed text. */
const settlingMilliseconds = 50;

/** Tells when a composition begins, and when its text is in the document. */
export function composition(tell: (active: boolean) => void): Plugin {
  let active = false;
  let settling: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    if (active) tell((active = false));
  };
  return new Plugin({
    view: () => ({ destroy: () => clearTimeout(settling) }),
    props: {
      handleDOMEvents: {
        compositionstart: () => {
          clearTimeout(settling);
          if (!active) tell((active = true));
          return false;
        },
        compositionend: () => {
          clearTimeout(settling);
          settling = setTimeout(end, settlingMilliseconds);
          return false;
        },
      },
    },
  });
}
