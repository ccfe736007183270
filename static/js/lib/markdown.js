// The buttons of the composer: what each puts around, or before each line of, the words that are selected.
const AROUND = { bold: ["**", "**"], italic: ["*", "*"], strike: ["~~", "~~"], code: ["`", "`"], link: ["[", "](https://)"], block: ["```\n", "\n```"] }
const BEFORE = { list: () => "- ", numbers: (line) => `${line + 1}. `, quote: () => "> " }

// The replacement of text from `start` to `end`, and what is selected afterwards.
export function formatted(text, start, end, kind) {
  const chosen = text.slice(start, end)
  if (AROUND[kind]) {
    const [before, after] = AROUND[kind]
    const isLink = kind === "link" && chosen
    const from = isLink ? start + before.length + chosen.length + 2 : start + before.length
    return { start, end, words: before + chosen + after, from, to: isLink ? from + "https://".length : from + chosen.length }
  }
  const first = text.lastIndexOf("\n", start - 1) + 1
  const words = text.slice(first, end).split("\n").map((line, i) => BEFORE[kind](i) + line).join("\n")
  return { start: first, end, words, from: first + words.length, to: first + words.length }
}
