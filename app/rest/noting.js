// Tells which functions ran, in the tab and in its worker. Only in the build that finds out what the first load needs, which
// appends this to the generated glue and gives `NOTES`: where in the memory these are, and how many.

const notesChannel = new BroadcastChannel("meridian notes");

/** @returns {number[]} */
const restRan = () => {
  const ran = [];
  new Uint8Array(wasm.memory.buffer, NOTES.at, NOTES.count).forEach((note, index) => {
    if (note) {
      ran.push(index);
    }
  });
  return ran;
};

if (typeof window === "undefined") {
  notesChannel.onmessage = () => notesChannel.postMessage(restRan());
} else {
  // The worker's answer is awaited for as long as it takes.
  globalThis.meridianRan = () =>
    new Promise((done) => {
      notesChannel.onmessage = ({ data }) => done([...restRan(), ...data]);
      notesChannel.postMessage("which?");
    });
}
