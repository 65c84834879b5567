// What crosses the bridge between the editor and the page's owner in Rust. Rust holds the document and decides; the
// editor shows it and reports what the person did. Offsets count UTF-16 code units.

/** A block marker as the Automerge ecosystem writes it. */
export type Shape = {
  type: string;
  parents: string[];
  attrs: Record<string, AttributeValue>;
  isEmbed: boolean;
};
export type AttributeValue = string | number | boolean | null;

export type MarkValue = string | number | boolean;
/** The marks of a piece of text by name, for example `{strong: true}`. */
export type Marks = Record<string, MarkValue>;

/** A piece of text whose marks are the same throughout. */
export type Run = { text: string; marks: Marks };

/** A block marker and the text up to the next one. The editor shows each as exactly one textblock, in order. */
export type Block = { shape: Shape; runs: Run[] };

/** A place in the text: which block, and how far into its text. */
export type Point = { block: number; offset: number };

/** One change. A list of edits applies in order, each stated against the state after the ones before it. */
export type Edit =
  /** Replaces text inside one block. */
  | { op: "text"; block: number; offset: number; delete: number; insert: Run[] }
  /** Sets a mark on text inside one block; a null value removes it. */
  | { op: "mark"; block: number; from: number; to: number; name: string; value: MarkValue | null }
  /** Puts a new marker at the offset: the rest of the text becomes the next block, with this shape. */
  | { op: "split"; block: number; offset: number; shape: Shape }
  /** Removes the marker of a block that is not the first: its text joins the block before. */
  | { op: "join"; block: number }
  /** Changes a marker in place. */
  | { op: "shape"; block: number; shape: Shape }
  /** Replaces `count` blocks. With a count of zero it inserts blocks before `from`. */
  | { op: "blocks"; from: number; count: number; blocks: Block[] };

/** Where another member is. `color` is an index into the palette, 0 to 11. */
export type Cursor = { id: string; name: string; color: number; anchor: Point; head: Point };

/** What became of text between two versions, or, without `from` and `to`, of a block. `by` says it in words. */
export type Change = {
  block: number;
  from: number | null;
  to: number | null;
  kind: "added" | "removed" | "restyled";
  color: number;
  by: string;
};

/** A picture on a page. Its address is that of an attachment, or whatever another program wrote. */
export type Picture = {
  src: string;
  /** What it shows, in words. Null if nobody has said that yet; nothing, if it shows nothing that matters. */
  alt: string | null;
  /** In pixels, if that is known. */
  width: number | null;
  height: number | null;
};

/** What is said at pictures, in the reader's language. */
export type PictureWords = {
  /** In the place of a description that nobody has written, and on the button that asks for one. */
  undescribed: string;
  describe: string;
  /** In an empty line under one. */
  caption: string;
  /** In the place of a picture that is not shown: one that is being fetched, is not on this device, can't be opened, or is
   * at an address elsewhere, which is not asked for. */
  loading: string;
  missing: string;
  broken: string;
  elsewhere: string;
};

export type ListKind = "bulleted" | "numbered" | "check";

/** What the toolbar shows. */
export type Formatting = {
  /** The marks that all of the selection has, or the next letter will have, by the names of their commands. */
  marks: string[];
  /** The type of the block the caret is in, as in `Shape`, with list items as paragraphs; `callout` for a paragraph in one. */
  block: string;
  level: number | null;
  list: ListKind | null;
  quote: boolean;
  /** Whether the selection begins in a table. */
  table: boolean;
  /** The picture that the selection begins in. */
  picture: Picture | null;
  /** The language that the block the caret is in says it is in, as a tag of BCP 47. */
  language: string | null;
  /** The address of the link the caret is in. */
  link: string | null;
  /** Whether text is selected. */
  selected: boolean;
  /** Whether another text can be proposed for what is selected, or the word that the caret is in. */
  changeable: boolean;
  /** The threads of comments that are about the text where the caret is. */
  threads: string[];
  canUndo: boolean;
  canRedo: boolean;
};

/** What a thread proposes for its text; nothing, if that is to go. `at` is where it is to stand if it has none. `color` is an index into
 * the palette, `by` says whose it is. */
export type Suggested = { thread: string; proposes: string; at: Point | null; color: number; by: string };

/** The threads of comments whose text is shown, the one that is being read, and what those of them propose that are suggestions. */
export type Threads = { open: string[]; active: string | null; suggested: Suggested[] };

/** What is looked for. */
export type Query = { text: string; matchCase: boolean };

/** How often it was found; `current` counts from 1, and is null if none of them is selected. */
export type Found = { count: number; current: number | null };

/** How much is written. Characters are those that a reader sees. */
export type Count = { words: number; characters: number; charactersWithoutSpaces: number };
export type Counts = { page: Count; selection: Count | null };

/** What the menu offers that a slash opens: a command of `Handle.command` by its name in the reader's language, or `image`. */
export type BlockMenuItem = { name: string; command: string; value?: string | number };
export type BlockMenu = { label: string; items: BlockMenuItem[] };

export type Options = {
  /** The accessible name of the text box. */
  label: string;
  /** The accessible name of the box that says that an item is done. */
  done: string;
  pictures: PictureWords;
  blocks: Block[];
  editable: boolean;
  /** Makes MathML of LaTeX, in the text or on a line of its own; null if it has no meaning. */
  math(latex: string, block: boolean): string | null;
  /** Gives `image` the picture at the address of an attachment, and says in the `data-state` of its figure how far that has come:
   * `loading`, `shown`, `missing` (not on this device), `broken`. Called when the figure comes near what is seen, when it names
   * another address, and before the page is printed. */
  showPicture(src: string, image: HTMLImageElement): void;
  /** The person wants to describe the picture that the caret is in, or to put one there if there is none. */
  onDescribe(): void;
  /** Pictures were pasted, or dropped where the caret is now. */
  onFiles(files: File[]): void;
  /** Makes an attachment of a picture that stands in pasted markup. Null if it can't be one. */
  attach(picture: Blob): Promise<Picture | null>;
  /** Called once for each local transaction that changes the document, synchronously. */
  onEdits(edits: Edit[]): void;
  /** Null when the editor loses the focus. */
  onSelection(selection: { anchor: Point; head: Point } | null): void;
  onState(state: Formatting): void;
  /** True when a composition begins; false once its text has been reported through `onEdits`. */
  onComposition(active: boolean): void;
  /** Without it a slash is a slash. */
  menu?: BlockMenu;
  /** What `find` has found, whenever that changes; null when nothing is looked for. */
  onFound?(found: Found | null): void;
};

export type Handle = {
  /** Takes in what the browser has not told of yet. Calls onEdits and onSelection. */
  catchUp(): void;
  /** Shows changes by others as one transaction. Throws a RangeError for a block that does not exist. */
  apply(edits: Edit[]): void;
  /** Makes edits as if the person had: they are reported, and undone as one step. Throws a RangeError for a block that does
   * not exist, and if the person may not change anything. */
  perform(edits: Edit[]): void;
  /** Replaces everything and forgets the undo history. */
  reset(blocks: Block[]): void;
  setCursors(cursors: Cursor[]): void;
  setThreads(threads: Threads): void;
  /** Shows what is selected as the text that a comment is being written about, and tells where that is; null if nothing is. */
  beginComment(): { anchor: Point; head: Point } | null;
  /** The same with the text that another one can be proposed for: what is selected in one block, or the word that the caret is in, or
   * the place of the caret. Null where no text can stand. */
  beginSuggestion(): { anchor: Point; head: Point } | null;
  /** The comment or the suggestion is written, or is not. */
  endComment(): void;
  /** Puts the caret to the text of a thread. False if there is none. */
  goToThread(thread: string): boolean;
  /** Draws what differs between two versions. */
  setChanges(changes: Change[]): void;
  /** Whether the person may change something; the undo history stays. */
  setEditable(editable: boolean): void;
  /** strong, em, underline, strikethrough, code, highlight, subscript, superscript, bulleted, numbered, check, quote, paragraph,
   * heading (value: level), code-block, math, math-block, callout, divider, table, row-above, row-below, column-before,
   * column-after, delete-row, delete-column, delete-table, header-row, link (value: the address, or nothing to remove it),
   * language (value: a tag of BCP 47, or nothing), undo, redo, indent, outdent. */
  command(name: string, value?: string | number): void;
  /** Puts a picture behind the block that the caret is in, or in its place if that is an empty paragraph, and the caret under it. */
  insertPicture(picture: Picture): void;
  /** Makes the picture of a block another one. Throws a RangeError if that block is none, and if the person may not change anything. */
  setPicture(block: number, picture: Picture): void;
  /** The picture that the selection begins in. */
  picture(): { block: number; picture: Picture } | null;
  focus(): void;
  /** Shows what is equal to the query, and selects the next one from the selection on. Null ends that: the page gets the focus. */
  find(query: Query | null): void;
  /** Selects the next one, or the one before. */
  findNext(step: 1 | -1): void;
  /** Replaces the one that is selected, and goes on to the next. */
  replace(text: string): void;
  /** Replaces all, and returns how many. */
  replaceAll(text: string): number;
  counts(): Counts;
  /** What is selected, whether the page has the focus or not. */
  selection(): { anchor: Point; head: Point };
  /** Puts the caret at the beginning of a block, and shows that. */
  goTo(block: number): void;
  /** Marks the block that is read aloud, and no other. Throws a RangeError for one that does not exist. */
  showReading(block: number | null): void;
  blocks(): Block[];
  destroy(): void;
};
