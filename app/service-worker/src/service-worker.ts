// Keeps the whole app on the device, one version at a time, so that it starts with no connection.

import { clientsClaim } from "workbox-core";
import { addPlugins, cleanupOutdatedCaches, createHandlerBoundToURL, precacheAndRoute } from "workbox-precaching";
import type { PrecacheEntry } from "workbox-precaching";
import { NavigationRoute, registerRoute } from "workbox-routing";

declare const self: ServiceWorkerGlobalScope;

/** Every file of this build, with its hash: filled in by the build. */
declare const PRECACHE: PrecacheEntry[];

const TYPES: [suffix: string, type: RegExp][] = [
  [".html", /^text\/html/],
  [".css", /^text\/css/],
  [".js", /^(text|application)\/javascript/],
  [".wasm", /^application\/wasm/],
];

// A network that answers everything with its own sign-in page must never get that page stored as a script. Refusing one
// file fails the whole installation: the version before stays, complete.
addPlugins([
  {
    cacheWillUpdate: async ({ request, response }) => {
      const { pathname } = new URL(request.url);
      const expected = TYPES.find(([suffix]) => pathname.endsWith(suffix))?.[1];
      const type = response.headers.get("content-type") ?? "";
      const fits = response.status === 200 && !response.redirected && (!expected || expected.test(type));
      return fits ? response : null;
    },
  },
]);

precacheAndRoute(PRECACHE);
cleanupOutdatedCaches();

// Every screen is the same document. Addresses of the relay, and whatever looks like a file, are not screens.
registerRoute(
  new NavigationRoute(createHandlerBoundToURL("/index.html"), {
    denylist: [/^\/sync(\/|$)/, /^\/health$/, /\/[^/?]+\.[^/?]+$/],
  }),
);

// The first visit is enough: the pages that are open belong to this worker as soon as it is ready. A later version waits
// until the person agrees to it, because pages of two builds must not mix.
clientsClaim();
self.addEventListener("message", (event) => {
  if (event.data?.type === "SKIP_WAITING") {
    void self.skipWaiting();
  } else if (event.data?.type === "CLAIM") {
    event.waitUntil(self.clients.claim());
  }
});
