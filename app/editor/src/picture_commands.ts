// What is done with pictures.
import { type Command, type EditorState, NodeSelection, TextSelection, type Transaction } from "prosemirror-state";
import { inItsLanguage, withAttributes } from "./language.ts";
import { ownStep } from "./own_step.ts";
import { isPicture, pictureOf, withPicture } from "./pictures.ts";
import { beginOf, placeOf, pointOf } from "./points.ts";
import { schema } from "./schema.ts";
import type { Picture, Shape } from "./types.ts";

const { image, paragraph } = schema.nodes;

/** The picture that the selection begins in. */
export function pictureAt({ doc, selection }: EditorState): { block: number; picture: Picture } | null {
  const $from = beginOf(selection);
  return isPicture($from.parent) ? { block: pointOf(doc, $from.pos).block, picture: pictureOf($from.parent) } : null;
}

/** A picture under the block the caret is in, or in its place if that is a spare line. A page does not end with one. */
export function insertPicture(picture: Picture): Command {
  return ({ selection, tr }, dispatch) => {
    const $from = beginOf(selection);
    const around = $from.parent;
    const attrs = { data: inItsLanguage(around, withPicture({}, picture)) };
    // What an item begins with carries its marker.
    const spare = around.type === paragraph && around.content.size === 0 && ($from.depth === 1 || $from.index(-1) > 0);
    const position = spare ? $from.before() : $from.after();
    if (spare) tr.setNodeMarkup(position, image, attrs);
    else tr.insert(position, image.create(attrs));
    const end = position + 2;
    if (end === tr.doc.content.size) tr.insert(end, paragraph.create({ data: inItsLanguage(around, {}) }));
    dispatch?.(ownStep(tr.setSelection(TextSelection.create(tr.doc, position + 1)).scrollIntoView()));
    return true;
  };
}

/** Another picture in a block, or another description. Throws a RangeError if the block is no picture. */
export function changePicture(block: number, picture: Picture): Command {
  return ({ doc, tr }, dispatch) => {
    const { node, start } = placeOf(doc, block);
    if (!isPicture(node)) throw new RangeError(`block ${block} is no picture`);
    dispatch?.(ownStep(tr.setNodeMarkup(start - 1, null, withAttributes(node, withPicture(node.attrs.data as Shape["attrs"], picture)))));
    return true;
  };
}

/** With a picture selected, the caret at the end of the line under it. */
export function underSelectedPicture({ selection, tr }: EditorState): Transaction | null {
  if (!(selection instanceof NodeSelection) || !isPicture(selection.node)) return null;
  return tr.setSelection(TextSelection.create(tr.doc, selection.to - 1));
}

/** At the beginning of the line under it, Backspace takes a picture away, and leaves the line. */
export const withoutPicture: Command = ({ selection, tr }, dispatch) => {
  const { $from, empty } = selection;
  if (!empty || $from.parentOffset > 0 || !isPicture($from.parent)) return false;
  dispatch?.(tr.setNodeMarkup($from.before(), paragraph, { data: inItsLanguage($from.parent, {}) }).scrollIntoView());
  return true;
};

/** Enter goes on below a picture, with what is behind the caret. */
export const belowPicture: Command = (state, dispatch) => {
  if (!isPicture(state.selection.$from.parent)) return false;
  const tr = state.tr.deleteSelection();
  dispatch?.(tr.split(tr.selection.from, 1, [{ type: paragraph }]).scrollIntoView());
  return true;
};

/** From a picture that begins the page, up leads to a new line. */
export const abovePicture: Command = (state, dispatch, view) => {
  const { $head, empty } = state.selection;
  if (!empty || !isPicture($head.parent) || pointOf(state.doc, $head.pos).block > 0 || view?.endOfTextblock("up") === false) return false;
  const tr = state.tr.insert(0, paragraph.create());
  dispatch?.(tr.setSelection(TextSelection.create(tr.doc, 1)).scrollIntoView());
  return true;
};
