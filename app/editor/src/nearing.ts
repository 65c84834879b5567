// Which elements come near what is seen. Each is told of once.

/** How far from what is seen that is: about a screen. */
const near = "100%";

/** Elements that are waited for, from when they are shown until they come near or go. */
export class Nearing {
  readonly #waiting = new Set<Element>();
  readonly #tell: (element: Element) => void;
  #observer: IntersectionObserver | null = null;

  constructor(tell: (element: Element) => void) {
    this.#tell = tell;
  }

  wait(element: Element): void {
    this.#waiting.add(element);
    this.#observer?.observe(element);
  }

  forget(element: Element): void {
    this.#waiting.delete(element);
    this.#observer?.unobserve(element);
  }

  /** Begins to look, for all that are waited for, also since before. Returns what ends that. */
  look(): () => void {
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting || !this.#waiting.has(target)) continue;
          this.forget(target);
          this.#tell(target);
        }
      },
      { rootMargin: near },
    );
    this.#observer = observer;
    for (const element of this.#waiting) observer.observe(element);
    return () => {
      observer.disconnect();
      if (this.#observer === observer) this.#observer = null;
    };
  }
}
