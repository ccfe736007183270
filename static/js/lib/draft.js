import { memory } from "parley/lib/memory"

// What was typed and not sent, as long as the tab lives: in a room, or in a message being edited. It belongs to the person
// who typed it, and goes when they sign out.
const name = (person, place) => `draft:${person}:${place}`

export const draft = {
  of: (person, place) => memory.load(name(person, place)) ?? "",
  keep: (person, place, text) => memory.save(name(person, place), text),
  clear: () => memory.forget("draft:"),
}
