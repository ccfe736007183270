import { el } from "parley/lib/element"

// "Tomasz and 花 are writing", above the composer.
export function drawTypists(line, names) {
  if (!names.length) return line.replaceChildren()
  const dots = el("span", { class: "typing-dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"))
  const between = (i) => (i === 0 ? "" : i === names.length - 1 ? " and " : ", ")
  const who = names.length > 3 ? ["Several people"] : names.flatMap((name, i) => [between(i), el("strong", {}, name)])
  line.replaceChildren(dots, el("span", {}, ...who, names.length === 1 ? " is writing" : " are writing"))
}
