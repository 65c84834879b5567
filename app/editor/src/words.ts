// How much is written. LaTeX is no words: formulas don't count.
import type { Node } from "prosemirror-model";
import type { EditorState } from "prosemirror-state";
import { segmentsOf } from "./graphemes.ts";
import { schema } from "./schema.ts";
import type { Count, Counts } from "./types.ts";

/** Of the whole page, and of what is selected, if anything is. */
export function countsOf({ doc, selection }: EditorState): Counts {
  const { from, to, empty } = selection;
  return { page: countBetween(doc, 0, doc.content.size), selection: empty ? null : countBetween(doc, from, to) };
}

function countBetween(doc: Node, from: number, to: number): Count {
  const count = { words: 0, characters: 0, charactersWithoutSpaces: 0 };
  let text = "";
  // A block's end ends a word, and is no character.
  const add = () => {
    for (const { isWordLike } of segmentsOf(text, "word")) if (isWordLike) count.words++;
    for (const { segment } of segmentsOf(text, "grapheme")) {
      if (segment.startsWith("\n")) continue;
      count.characters++;
      if (!/^\s/u.test(segment)) count.charactersWithoutSpaces++;
    }
    text = "";
  };
  doc.nodesBetween(from, to, (node, position) => {
    if (node.isTextblock) add();
    if (node.type === schema.nodes.math_block) return false;
    if (node.isText && !schema.marks.math.isInSet(node.marks)) {
      text += (node.text ?? "").slice(Math.max(from - position, 0), Math.max(to - position, 0));
    }
    return true;
  });
  add();
  return count;
}
