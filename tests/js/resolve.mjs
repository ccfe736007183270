// What the import map does in the browser: parley/models/stream is static/js/models/stream.js.
export function resolve(specifier, context, next) {
  if (!specifier.startsWith("parley/")) return next(specifier, context)
  const path = `../../static/js/${specifier.slice("parley/".length)}.js`
  return next(new URL(path, import.meta.url).href, context)
}
