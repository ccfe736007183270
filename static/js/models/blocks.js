// Whom the person who is looking does not want to hear. Everybody gets the same messages; what of them counts, and how
// they are drawn, is decided here.
export class Blocks {
  #kinds = new Map()

  // All of them: {mute: [ids], block: [ids]}.
  take({ mute = [], block = [] } = {}) {
    this.#kinds = new Map([...mute.map((id) => [id, "mute"]), ...block.map((id) => [id, "block"])])
  }

  hides(user) { return this.#kinds.has(user) } // what they write is folded away, and read already
  silences(user) { return this.#kinds.get(user) === "block" } // and they cannot call me
}
