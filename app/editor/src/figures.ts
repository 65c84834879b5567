// Pictures as they are seen: each in the room that it will take, so that nothing jumps when it comes.
import type { Node } from "prosemirror-model";
import { NodeSelection, Plugin, TextSelection } from "prosemirror-state";
import type { EditorView, NodeView } from "prosemirror-view";
import { languageOf } from "./language.ts";
import { Nearing } from "./nearing.ts";
import { underSelectedPicture } from "./picture_commands.ts";
import type { PictureCopies } from "./picture_copies.ts";
import { isAttachment, isData, isElsewhere, isPicture, pictureOf } from "./pictures.ts";
import type { Options, PictureWords } from "./types.ts";

/** How often the longer side may be as long as the other one, for room to be kept: what is said could be of a thousand screens. */
const longest = 20;

type Figure = { src: string; dom: HTMLElement; image: HTMLImageElement };

export function figures({ pictures: words, showPicture, onDescribe }: Pick<Options, "pictures" | "showPicture" | "onDescribe">, copies: PictureCopies): Plugin {
  const shown = new Map<Element, Figure>();
  const reached = new Set<Element>();
  const show = ({ src, image }: Figure) => {
    if (isAttachment(src)) showPicture(src, image);
  };
  const nearing = new Nearing((element) => {
    const figure = shown.get(element);
    if (figure === undefined) return;
    reached.add(element);
    show(figure);
  });
  const imageOf = (address: string) =>
    [...shown.values()].find(({ src, dom }) => src === address && dom.dataset.state === "shown")?.image ?? null;

  const figureView = (node: Node, view: EditorView, getPos: () => number | undefined): NodeView => {
    const made = figureElement(words);
    const { dom, image, describe, caption } = made;
    const figure: Figure = { src: pictureOf(node).src, dom, image };
    describe.addEventListener("mousedown", (event) => event.preventDefault());
    describe.addEventListener("click", () => {
      const position = getPos();
      if (position === undefined || !view.editable) return;
      view.dispatch(view.state.tr.setSelection(TextSelection.create(view.state.doc, position + 1)));
      onDescribe();
    });
    shown.set(dom, figure);
    dress(made, words, node, null);
    nearing.wait(dom);
    return {
      dom,
      contentDOM: caption,
      update(now) {
        if (!isPicture(now)) return false;
        const { src } = pictureOf(now);
        const before = figure.src;
        figure.src = src;
        dress(made, words, now, before);
        if (src !== before && reached.has(dom)) show(figure);
        return true;
      },
      // What is put into the picture's place is no change of the page.
      ignoreMutation: ({ type, target }) => type !== "selection" && !caption.contains(target),
      stopEvent: ({ target }) => target instanceof globalThis.Node && describe.contains(target),
      destroy() {
        nearing.forget(dom);
        reached.delete(dom);
        shown.delete(dom);
      },
    };
  };

  return new Plugin({
    props: {
      nodeViews: { image: figureView },
      clipboardSerializer: copies.serializer(imageOf),
      // A click on a picture selects it, to copy it, to move it or to take it away.
      handleClickOn(view, _, node, position, { target }) {
        if (!isPicture(node) || !(target instanceof Element) || target.closest(".picture-frame") === null) return false;
        view.dispatch(view.state.tr.setSelection(NodeSelection.create(view.state.doc, position)));
        return true;
      },
      handleDOMEvents: {
        // What is selected whole would be moved by a mouse that selects text in it.
        mousedown({ state, dispatch }, { target }) {
          const { selection, tr } = state;
          if (!(selection instanceof NodeSelection) || !(target instanceof Element) || target.closest(".picture-caption") === null) return false;
          dispatch(tr.setSelection(TextSelection.near(tr.doc.resolve(selection.from + 1))));
          return false;
        },
        // What is composed goes into the document by itself, in place of the selection.
        compositionstart({ state, dispatch }) {
          const tr = underSelectedPicture(state);
          if (tr !== null) dispatch(tr);
          return false;
        },
      },
      // What is typed then belongs under it: no letter takes the place of a picture.
      handleTextInput({ state, dispatch }, _, __, text) {
        const tr = underSelectedPicture(state);
        if (tr === null) return false;
        dispatch(tr.insertText(text).scrollIntoView());
        return true;
      },
    },
    view() {
      const print = () => {
        for (const figure of shown.values()) show(figure);
      };
      addEventListener("beforeprint", print);
      // When a page is shown anew its figures are there before this plugin's old view ends.
      const end = nearing.look();
      return {
        destroy() {
          removeEventListener("beforeprint", print);
          end();
        },
      };
    },
  });
}

type Made = { dom: HTMLElement; frame: HTMLElement; image: HTMLImageElement; described: HTMLElement; describe: HTMLButtonElement; caption: HTMLElement };

function figureElement(words: PictureWords): Made {
  const element = <K extends keyof HTMLElementTagNameMap>(tag: K, name: string) => {
    const made = document.createElement(tag);
    made.className = name;
    return made;
  };
  const dom = element("figure", "picture");
  const frame = element("div", "picture-frame");
  frame.contentEditable = "false";
  const image = element("img", "picture-image");
  // The figure is what is moved.
  image.draggable = false;
  // What stands there until the picture does: the description, and why it is not shown.
  const place = element("div", "picture-place");
  const described = element("p", "picture-described");
  described.dir = "auto";
  place.append(described);
  for (const state of ["loading", "missing", "broken", "elsewhere"] as const) {
    const why = element("p", `picture-why ${state}`);
    why.dir = "auto";
    why.textContent = words[state];
    place.append(why);
  }
  const describe = element("button", "button button-small picture-describe");
  describe.type = "button";
  describe.contentEditable = "false";
  describe.textContent = words.describe;
  frame.append(image, place);
  const caption = element("figcaption", "picture-caption");
  caption.dataset.placeholder = words.caption;
  dom.append(frame, describe, caption);
  return { dom, frame, image, described, describe, caption };
}

/** Makes a figure that of a node. `before` is the address that it showed until now. */
function dress({ dom, frame, image, described, describe, caption }: Made, words: PictureWords, node: Node, before: string | null): void {
  const { src, alt, width, height } = pictureOf(node);
  const lang = languageOf(node);
  if (lang === null) dom.removeAttribute("lang");
  else dom.lang = lang;
  const isEmpty = node.content.size === 0;
  dom.toggleAttribute("data-empty", isEmpty);
  // What is said in an empty line runs as the program's words do.
  caption.dir = isEmpty ? "" : "auto";
  const isSized = width !== null && height !== null && Math.max(width, height) <= longest * Math.min(width, height);
  frame.style.inlineSize = isSized ? `${width}px` : "";
  frame.style.aspectRatio = isSized ? `${width} / ${height}` : "";
  if (alt === null) image.removeAttribute("alt");
  else image.alt = alt;
  // A picture without a description still has a name.
  if (alt === null) image.setAttribute("aria-label", words.undescribed);
  else image.removeAttribute("aria-label");
  described.textContent = alt ?? words.undescribed;
  describe.hidden = alt !== null;
  if (src === before) return;
  image.removeAttribute("src");
  dom.dataset.state = isAttachment(src) || isData(src) ? "loading" : isElsewhere(src) ? "elsewhere" : "broken";
  image.onload = isData(src) ? () => void (dom.dataset.state = "shown") : null;
  image.onerror = isData(src) ? () => void (dom.dataset.state = "broken") : null;
  if (isData(src)) image.src = src;
}
