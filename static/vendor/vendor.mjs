// Fills this folder from node_modules: `make vendor`, after changing a version in package.json. What it writes is
// committed, so running Parley needs no Node, and SHA256SUMS lets `make vendor-check` tell when a file was edited by hand.
import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { transform } from "esbuild"

const here = new URL("./", import.meta.url)
const modules = new URL("../../node_modules/", here)

const LIBRARIES = [
  { name: "@hotwired/turbo", file: "dist/turbo.es2017-esm.js", to: "turbo.js", licence: null },
  { name: "@hotwired/stimulus", file: "dist/stimulus.js", to: "stimulus.js", licence: "LICENSE.md" },
  { name: "socket.io-client", file: "dist/socket.io.esm.min.js", to: "socket.io.js", licence: "LICENSE" },
]

// Turbo declares MIT but ships no licence file; this is the text it names, under the copyright line of its source.
const MIT = (copyright) => `MIT License

${copyright}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

const read = (library, file) => readFile(new URL(`${library.name}/${file}`, modules), "utf8")

async function vendored(library) {
  const { version, license } = JSON.parse(await read(library, "package.json"))
  const source = await read(library, library.file)
  const minified = library.file.endsWith(".min.js")
    ? { code: source }
    : await transform(source, { format: "esm", legalComments: "none", minify: true, target: "es2022" })
  const code = minified.code.replace(/^\/\*[\s\S]*?\*\/\s*/, "").replace(/\s*\/\/# sourceMappingURL=.*\s*$/, "").trim()
  return {
    ...library,
    version,
    license,
    code: `/*! ${library.name} ${version} | ${license} | see LICENSES.txt */\n${code}\n`,
    terms: library.licence ? await read(library, library.licence) : MIT(source.match(/Copyright ©.*/)[0]),
  }
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`
const row = ({ name, version, license, to, code }) =>
  `| \`${to}\` | ${name} ${version} | ${license} | ${kilobytes(Buffer.byteLength(code))} | ${kilobytes(gzipSync(code, { level: 9 }).length)} | ${kilobytes(brotliCompressSync(code).length)} |`

const libraries = await Promise.all(LIBRARIES.map(vendored))

const files = Object.fromEntries(libraries.map(({ to, code }) => [to, code]))
files["LICENSES.txt"] = libraries
  .map(({ name, version, terms }) => `${name} ${version}\n${"=".repeat(72)}\n\n${terms.trim()}\n`)
  .join("\n\n")

for (const { to, code } of libraries) files[`${to}.br`] = brotliCompressSync(code)

const sums = Object.keys(files)
  .sort()
  .map((name) => `${createHash("sha256").update(files[name]).digest("hex")}  ${name}\n`)
  .join("")

files["SHA256SUMS"] = sums
files["README.md"] = `# Other people's code

ES modules that the browser loads as they are, written by \`make vendor\` from the versions in \`package.json\` and
committed, so that running Parley needs no Node; \`.br\` is the same compressed for browsers that take Brotli. Do not edit them: \`make vendor-check\` compares them with \`SHA256SUMS\`.
To take a newer version, change it in \`package.json\`, run \`npm install\`, then \`make vendor\`.

| file | from | licence | size | gzip | Brotli |
| --- | --- | --- | --- | --- | --- |
${libraries.map(row).join("\n")}
`

await Promise.all(Object.entries(files).map(([name, text]) => writeFile(new URL(name, here), text)))
