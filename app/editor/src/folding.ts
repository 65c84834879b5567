// Text as a reader compares it: composed or decomposed, large or small, with what is not seen left out.
//
// Case is that of Unicode, not of a language. So where case does not count, the dotted and the dotless i of Turkish are one letter,
// with or without their dots; where it counts they are what they are.
import { isBetweenGraphemes } from "./graphemes.ts";

/** Vowel points of Arabic (with its stretching stroke) and Hebrew. Readers leave them out, so they count only in what is looked for. */
const points = /[\u0640\u064B-\u0652\u0670\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7]/;

/** Soft hyphens, marks of direction, and other characters that are not seen and join nothing. */
const unseen = /[\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/;

/** A character with its marks: what decomposing may put into another order. */
const unit = /\P{M}\p{M}*|\p{M}+/gsu;

/** What is compared, and for each of its places the one in the text that it stands for: -1 inside of a character. */
type Folded = { text: string; places: readonly number[] | null };

/** Finds text in others. */
export type Matcher = (text: string) => [from: number, to: number][];

/** What is equal to a query, from left to right, as offsets. Two finds never overlap, and none tears a grapheme. */
export function matcher(query: string, matchCase: boolean): Matcher {
  const withPoints = points.test(query);
  const wanted = fold(query, matchCase, withPoints).text;
  return (text) => {
    const found: [number, number][] = [];
    if (wanted === "") return found;
    const folded = fold(text, matchCase, withPoints);
    const place = (at: number) => (folded.places === null ? at : (folded.places[at] ?? -1));
    for (let at = folded.text.indexOf(wanted); at >= 0; at = folded.text.indexOf(wanted, at)) {
      const [from, to] = [place(at), place(at + wanted.length)];
      const whole = from >= 0 && to >= 0 && mayDivide(text, from) && mayDivide(text, to);
      if (whole) found.push([from, to]);
      at += whole ? wanted.length : 1;
    }
    return found;
  };
}

/** Whether a text is equal to another one, or begins with it, or one of its words does. */
export function hasWordFrom(text: string, query: string): boolean {
  return matcher(query, false)(text).some(([from]) => from === 0 || /[^\p{L}\p{M}\p{N}]$/u.test(text.slice(0, from)));
}

function fold(text: string, matchCase: boolean, withPoints: boolean): Folded {
  if (/^[\0-\x7F]*$/.test(text)) return { text: matchCase ? text : text.toLowerCase(), places: null };
  let folded = "";
  const places: number[] = [];
  const add = (part: string, start: number) => {
    for (let i = 0; i < part.length; i++) places.push(i === 0 ? start : -1);
    folded += part;
  };
  for (const { 0: whole, index } of text.matchAll(unit)) {
    const apart = whole.normalize("NFD");
    if (apart !== whole) {
      add(foldUnit([...apart], matchCase, withPoints), index);
    } else {
      let start = index;
      for (const character of whole) {
        add(foldUnit([character], matchCase, withPoints), start);
        start += character.length;
      }
    }
  }
  places.push(text.length);
  return { text: folded, places };
}

function foldUnit(characters: string[], matchCase: boolean, withPoints: boolean): string {
  const seen = characters.filter((character) => !unseen.test(character) && (withPoints || !points.test(character))).join("");
  const spaced = seen.replace(/[\u00A0\u2007\u202F]/g, " ");
  if (matchCase) return spaced;
  // Large first: ß becomes SS, and the sigma at the end of a word that within words.
  return spaced.toUpperCase().toLowerCase().normalize("NFD").replace("i\u0307", "i");
}

/** Whether a find may begin or end here: between graphemes, or before a vowel sign that only stands behind its consonant. */
function mayDivide(text: string, offset: number): boolean {
  if (isBetweenGraphemes(text, offset)) return true;
  const next = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  return /^(?!\p{Script=Inherited})\p{M}$/u.test(next) && !composes(next);
}

/** Whether a mark belongs to the letter before it so closely that decomposing may move it: its combining class is not 0. */
function composes(mark: string): boolean {
  const behind = `\u0345${mark}`;
  return mark === "\u0345" || behind.normalize("NFD") !== `\u0345${mark.normalize("NFD")}`;
}
