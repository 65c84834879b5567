// How one's own steps are undone although others have written on the page since: what they put into one's own text stays, and
// so does what they made of one's own blocks.
import type { Node } from "prosemirror-model";
import { Plugin } from "prosemirror-state";
import { type Mappable, ReplaceStep, Step, StepMap, StepResult } from "prosemirror-transform";
import { flatten, sameShape } from "./blocks.ts";
import { editsOf, withinText } from "./edits.ts";
import { PiecesStep, UnlikeMap } from "./pieces.ts";
import { placeOf, pointBefore } from "./points.ts";
import { remoteMeta, reshaping } from "./remote.ts";
import type { Edit, Shape } from "./types.ts";

/** Has the history undo one's own steps so. It must stand before that. */
export function undoing(): Plugin {
  return new Plugin({
    filterTransaction(tr) {
      if (!tr.getMeta(remoteMeta)) for (const [i, step] of tr.steps.entries()) prepare(step, tr.docs[i] ?? tr.doc, tr.docs[i + 1] ?? tr.doc);
      return true;
    },
  });
}

/** The history asks each step for its inverse. */
function prepare(step: Step, before: Node, after: Node): void {
  if (step instanceof PiecesStep || step instanceof ReshapeStep) return;
  const plain = step.invert.bind(step);
  const reshaped = withinText(step, before) ? null : reshapedBy(step, before, after);
  if (reshaped !== null) {
    step.invert = (doc) => new ReshapeStep(plain(doc), reshaped);
  } else if (step instanceof ReplaceStep) {
    const inverse = new ReplaceStep(step.from, step.from + step.slice.size, before.slice(step.from, step.to));
    const pieces = PiecesStep.of(inverse);
    (step as Step).invert = () => pieces;
  }
}

/** A block, by the place where its text begins: what it is, and what it is to be. */
type Reshaped = { position: number; is: Shape; becomes: Shape };

/** The blocks of which a step changes nothing but what they are; null if it does more than that. They may be none. */
function reshapedBy(step: Step, before: Node, after: Node): Reshaped[] | null {
  const edits = editsOf({ steps: [step], docs: [before], doc: after });
  if (!edits.every((edit) => edit.op === "shape")) return null;
  const blocks = flatten(before.content);
  return edits.map(({ block, shape }) => ({ position: placeOf(after, block).start, is: shape, becomes: blocks[block]?.shape ?? shape }));
}

/** Makes blocks what they were. `exact` does so as long as nobody else wrote anything. */
class ReshapeStep extends Step {
  readonly exact: Step | null;
  readonly blocks: readonly Reshaped[];
  private done: Step | null;

  constructor(exact: Step | null, blocks: readonly Reshaped[]) {
    super();
    this.exact = exact;
    this.blocks = blocks;
    this.done = exact;
  }

  override apply(doc: Node): StepResult {
    if (this.exact === null) {
      const edits = editsFor(this.blocks, doc);
      if (edits.length === 0) return StepResult.fail("others made something else of it");
      this.done = reshaping(doc, edits);
    }
    return this.done?.apply(doc) ?? StepResult.ok(doc);
  }

  /** Known once it has been applied. */
  override getMap(): StepMap {
    return this.done === null ? StepMap.empty : UnlikeMap.of(this.done.getMap());
  }

  override invert(doc: Node): Step {
    const map = this.getMap();
    const blocks = this.blocks.map(({ position, is, becomes }) => ({ position: map.map(position, 1), is: becomes, becomes: is }));
    return new ReshapeStep(this.done?.invert(doc) ?? null, blocks);
  }

  override map(mapping: Mappable): Step | null {
    const blocks = this.blocks.flatMap((block) => {
      const { pos, deletedAcross } = mapping.mapResult(block.position, 1);
      return deletedAcross ? [] : [{ ...block, position: pos }];
    });
    return new ReshapeStep(null, blocks);
  }

  override toJSON(): unknown {
    return { stepType: "reshape", exact: this.exact?.toJSON() as unknown, blocks: this.blocks };
  }
}

function editsFor(reshaped: readonly Reshaped[], doc: Node): (Edit & { op: "shape" })[] {
  const blocks = flatten(doc.content);
  const edits = new Map<number, Edit & { op: "shape" }>();
  for (const { position, is, becomes } of reshaped) {
    if (position > doc.content.size || !doc.resolve(position).parent.isTextblock) continue;
    const { block } = pointBefore(doc, position);
    const current = blocks[block]?.shape;
    if (current === undefined) continue;
    const shape = takenBack(current, is, becomes);
    if (!sameShape(current, shape)) edits.set(block, { op: "shape", block, shape });
  }
  return [...edits.values()];
}

/** What others changed of it since stays. */
function takenBack(current: Shape, is: Shape, becomes: Shape): Shape {
  const place = ({ type, parents, isEmbed }: Shape) => JSON.stringify([type, parents, isEmbed]);
  const attrs = { ...current.attrs };
  for (const name of new Set([...Object.keys(is.attrs), ...Object.keys(becomes.attrs)])) {
    const said = becomes.attrs[name];
    if (is.attrs[name] === said || current.attrs[name] !== is.attrs[name]) continue;
    if (said === undefined) delete attrs[name];
    else attrs[name] = said;
  }
  return { ...(place(current) === place(is) ? becomes : current), attrs };
}
