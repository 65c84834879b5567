// What a reader calls a letter may be many characters: a flag, a family, a consonant with its vowel sign. Deleting and going
// along take it whole. How words and letters are divided is known to the browser.
import { Plugin, TextSelection } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";

type Granularity = "grapheme" | "word";
type Segment = { index: number; segment: string; isWordLike?: boolean };

/** Browsers that can't divide text take characters, and runs of letters. */
const plainly: Record<Granularity, RegExp> = { grapheme: /\P{M}\p{M}*|\p{M}+/gsu, word: /[\p{L}\p{M}\p{N}]+/gu };

const segmenters = new Map<Granularity, Intl.Segmenter>();

function segmenter(granularity: Granularity): Intl.Segmenter | null {
  if (!("Segmenter" in Intl)) return null;
  const known = segmenters.get(granularity) ?? new Intl.Segmenter(undefined, { granularity });
  segmenters.set(granularity, known);
  return known;
}

/** The parts of a text in order. */
export function segmentsOf(text: string, granularity: Granularity): Iterable<Segment> {
  const known = segmenter(granularity);
  if (known !== null) return known.segment(text);
  return [...text.matchAll(plainly[granularity])].map(({ index, 0: segment }) => ({ index, segment, isWordLike: true }));
}

/** The grapheme that the character at an offset belongs to. */
function graphemeAt(text: string, offset: number): { start: number; end: number } {
  const known = segmenter("grapheme");
  const found = known === null
    ? [...segmentsOf(text, "grapheme")].find(({ index, segment }) => index + segment.length > offset)
    : known.segment(text).containing(offset);
  if (found === undefined) return { start: offset, end: offset + 1 };
  return { start: found.index, end: found.index + found.segment.length };
}

/** Whether no grapheme is torn between what is before an offset and what is behind it. */
export function isBetweenGraphemes(text: string, offset: number): boolean {
  return offset <= 0 || offset >= text.length || graphemeAt(text, offset).start === offset;
}

/** Where the grapheme before an offset begins. */
export function beforeGrapheme(text: string, offset: number): number {
  return offset <= 0 ? 0 : graphemeAt(text, offset - 1).start;
}

/** Where the grapheme behind an offset ends. */
export function behindGrapheme(text: string, offset: number): number {
  return offset >= text.length ? text.length : graphemeAt(text, offset).end;
}

/** Backspace and Delete, of whatever keyboard, take one grapheme: browsers differ in what they take of one, and beside what is
 * no text. Where there is none in the block the keys do what they do. */
export function wholeGraphemes(): Plugin {
  return new Plugin({
    props: {
      handleDOMEvents: {
        beforeinput(view, event) {
          const back = event.inputType === "deleteContentBackward";
          if ((!back && event.inputType !== "deleteContentForward") || !event.cancelable || view.composing) return false;
          if (!view.editable || !deleteGrapheme(view, back)) return false;
          event.preventDefault();
          return true;
        },
      },
    },
  });
}

/** False if there is none, or something is selected. */
function deleteGrapheme(view: EditorView, back: boolean): boolean {
  // Where the browser has put the caret it may not have told yet.
  document.dispatchEvent(new Event("selectionchange"));
  const { selection, tr } = view.state;
  const { $from, empty } = selection;
  if (!(selection instanceof TextSelection) || !empty) return false;
  const { parent, parentOffset } = $from;
  const text = parent.textContent;
  const other = back ? beforeGrapheme(text, parentOffset) : behindGrapheme(text, parentOffset);
  if (other === parentOffset) return false;
  const [from, to] = [$from.start() + Math.min(other, parentOffset), $from.start() + Math.max(other, parentOffset)];
  view.dispatch(tr.delete(from, to).scrollIntoView());
  return true;
}
