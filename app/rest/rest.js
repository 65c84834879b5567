// Has the rest of the program loaded: what does not run until a page is edited is a file of its own. The build appends this to
// the generated glue, in which `REST` is the file's address; it runs in the tab and in the worker.

/** What the rest works on: the memory, the pointers and the globals of the first file. @type {WebAssembly.Exports} */
let restFirst;
let restIsHere = false;
/** How long to wait after a failure, in milliseconds. */
const REST_RETRY = 5000;

/** The first file is here: fetches the rest behind whatever else is fetched now. @param {WebAssembly.Exports} first */
function restBegin(first) {
  restFirst = first;
  void restLoad();
}

async function restLoad() {
  try {
    const module = await WebAssembly.compileStreaming(fetch(REST, { priority: "low" }));
    if (!restIsHere) {
      // What it brings it puts into the table of pointers; a second time would change nothing.
      await WebAssembly.instantiate(module, { first: restFirst });
      restIsHere = true;
    }
  } catch (error) {
    console.warn("the rest of the program is not here yet", error);
    setTimeout(() => {
      if (!restIsHere) {
        void restLoad();
      }
    }, REST_RETRY);
  }
}

/** Something of the rest is called before it came: nothing goes on until it is here. */
function restNow() {
  if (restIsHere) {
    return;
  }
  performance.mark("meridian-rest-now");
  const request = new XMLHttpRequest();
  request.open("GET", REST, false);
  // In a window a request that waits gives no bytes, only text: of this character set each character is a byte.
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  if (request.status !== 200) {
    throw new Error("the rest of the program is missing");
  }
  const bytes = Uint8Array.from(request.responseText, (character) => character.charCodeAt(0));
  new WebAssembly.Instance(new WebAssembly.Module(bytes), { first: restFirst });
  restIsHere = true;
}
