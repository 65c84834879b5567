// A step that takes back what one wrote, around what others have written into it since.
import { type Node, Slice } from "prosemirror-model";
import { type Mappable, Mapping, ReplaceStep, Step, StepMap, StepResult } from "prosemirror-transform";

type Piece = { from: number; to: number; slice: Slice };

/** Replaces several ranges, in their order. What others put into one of them is left out, and what is around it becomes two. */
export class PiecesStep extends Step {
  readonly pieces: readonly Piece[];

  constructor(pieces: readonly Piece[]) {
    super();
    this.pieces = pieces;
  }

  static of({ from, to, slice }: ReplaceStep): PiecesStep {
    return new PiecesStep([{ from, to, slice }]);
  }

  /** The same one by one, all of them stated against the document before. */
  get replacements(): ReplaceStep[] {
    return this.pieces.map(({ from, to, slice }) => new ReplaceStep(from, to, slice));
  }

  override apply(doc: Node): StepResult {
    let result = StepResult.ok(doc);
    for (const { from, to, slice } of this.pieces.toReversed()) {
      if (result.doc !== null) result = StepResult.fromReplace(result.doc, from, to, slice);
    }
    return result;
  }

  override getMap(): StepMap {
    return new UnlikeMap(this.pieces.flatMap(({ from, to, slice }) => [from, to - from, slice.size]));
  }

  override invert(doc: Node): Step {
    let moved = 0;
    return new PiecesStep(this.pieces.map(({ from, to, slice }) => {
      const start = from + moved;
      moved += slice.size - (to - from);
      return { from: start, to: start + slice.size, slice: doc.slice(from, to) };
    }));
  }

  override map(mapping: Mappable): Step | null {
    const pieces = this.pieces.flatMap((piece) => mapped(piece, mapping));
    return pieces.length > 0 ? new PiecesStep(pieces) : null;
  }

  /** What is typed letter by letter is one piece. */
  override merge(other: Step): Step | null {
    const [one, more] = this.pieces;
    if (!(other instanceof PiecesStep) || one === undefined || more !== undefined || other.pieces.length !== 1) return null;
    const [second] = other.pieces as [Piece];
    const merged = new ReplaceStep(one.from, one.to, one.slice).merge(new ReplaceStep(second.from, second.to, second.slice));
    return merged instanceof ReplaceStep ? PiecesStep.of(merged) : null;
  }

  override toJSON(): unknown {
    return { stepType: "pieces", pieces: this.pieces.map(({ from, to, slice }) => ({ from, to, slice: slice.toJSON() as unknown })) };
  }
}

declare module "prosemirror-transform" {
  interface StepMap {
    /** Where what another map says that it deleted comes back by this one; the library's own types leave it out. */
    recover(value: number): number;
  }
}

/** A map that undoes another, or does it again, but may have fewer ranges: what stood in one that is gone comes back to the first. */
export class UnlikeMap extends StepMap {
  private readonly first: number;

  constructor(ranges: readonly number[]) {
    super(ranges);
    this.first = ranges[0] ?? 0;
  }

  override recover(value: number): number {
    const place = super.recover(value);
    return Number.isNaN(place) ? this.first : place;
  }

  static of(map: StepMap): StepMap {
    const ranges: number[] = [];
    map.forEach((from, to, newFrom, newTo) => void ranges.push(from, to - from, newTo - newFrom));
    return ranges.length > 0 ? new UnlikeMap(ranges) : StepMap.empty;
  }
}

function mapped(piece: Piece, mapping: Mappable): Piece[] {
  const whole = new ReplaceStep(piece.from, piece.to, piece.slice).map(mapping);
  if (!(whole instanceof ReplaceStep)) return [];
  const pieces: Piece[] = [];
  let { from, slice } = whole;
  const push = (to: number) => {
    if (from < to || slice.size > 0) pieces.push({ from, to, slice });
    slice = Slice.empty;
  };
  for (const [start, end] of insertedWithin(piece, whole, mapping)) {
    push(Math.max(from, start));
    from = Math.max(from, end);
  }
  push(whole.to);
  return pieces;
}

/** The ranges within a piece that came into it later, and by others: what oneself did and undid since has a mirror. */
function insertedWithin(piece: Piece, whole: ReplaceStep, mapping: Mappable): [number, number][] {
  if (!(mapping instanceof Mapping)) return [];
  const inserted: [number, number][] = [];
  let { from, to } = piece;
  for (let i = mapping.from; i < mapping.to; i++) {
    const map = mapping.maps[i] as StepMap;
    from = map.map(from, -1);
    to = map.map(to, 1);
    if (mapping.getMirror(i) !== undefined) continue;
    map.forEach((_, __, newFrom, newTo) => {
      if (newFrom === newTo || newTo < from || newFrom > to) return;
      const later = mapping.slice(i + 1, mapping.to);
      const start = Math.max(later.map(newFrom, 1), whole.from);
      const end = Math.min(later.map(newTo, -1), whole.to);
      if (start < end) inserted.push([start, end]);
    });
  }
  return inserted.sort(([a], [b]) => a - b);
}
