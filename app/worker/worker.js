// @ts-check
// The worker's first lines. The page has already fetched and compiled the one WASM file; it sends the compiled module and
// the address of the generated glue in its first message, so that nothing is fetched or compiled twice.

/** Messages that came while the module was starting: handed over in order once the replica listens. @type {MessageEvent[]} */
const early = [];

/** @param {MessageEvent} event */
const keep = (event) => {
  early.push(event);
};

/** @param {MessageEvent<{ glue: string, module: WebAssembly.Module }>} event */
const start = async ({ data: { glue, module } }) => {
  self.removeEventListener("message", start);
  self.addEventListener("message", keep);
  const { default: init, run_worker } = await import(glue);
  await init({ module_or_path: module });
  run_worker();
  self.removeEventListener("message", keep);
  for (const { data, ports } of early) {
    self.dispatchEvent(new MessageEvent("message", { data, ports: [...ports] }));
  }
};
self.addEventListener("message", start);
