import assert from "node:assert/strict";
import { test } from "node:test";
import { Nearing } from "../src/nearing.ts";

/** What a browser does, as far as that goes: nothing is told of what is not observed, nor after the end. */
class Watching {
  static all: Watching[] = [];
  readonly observed = new Set<Element>();
  readonly #tell: IntersectionObserverCallback;

  constructor(tell: IntersectionObserverCallback) {
    this.#tell = tell;
    Watching.all.push(this);
  }

  observe = (element: Element) => void this.observed.add(element);
  unobserve = (element: Element) => void this.observed.delete(element);
  disconnect = () => this.observed.clear();

  static scrollTo(target: Element, isIntersecting = true): void {
    for (const watching of Watching.all) {
      if (!watching.observed.has(target)) continue;
      const entry = { target, isIntersecting } as IntersectionObserverEntry;
      watching.#tell([entry], watching as unknown as IntersectionObserver);
    }
  }
}

Object.assign(globalThis, { IntersectionObserver: Watching });

test("what is shown anew before looking ends is still waited for", () => {
  const [first, second, third] = [{}, {}, {}] as [Element, Element, Element];
  const told: Element[] = [];
  const nearing = new Nearing((element) => told.push(element));
  nearing.wait(first);
  const end = nearing.look();
  Watching.scrollTo(first, false);
  assert.deepEqual(told, []);
  Watching.scrollTo(first);
  // A page that is shown anew draws its figures, and only then ends looking at the old ones, and begins again.
  nearing.wait(second);
  nearing.wait(third);
  nearing.forget(third);
  end();
  const endAgain = nearing.look();
  for (const element of [first, second, third]) Watching.scrollTo(element);
  assert.deepEqual(told, [first, second]);
  assert(told[1] === second);
  endAgain();
  nearing.wait(third);
  Watching.scrollTo(third);
  assert.equal(told.length, 2);
});
