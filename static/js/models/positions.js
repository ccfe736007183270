// How far I have read in each room. Every device may move a position, so the newest version wins, never the last to arrive.
export class Positions {
  #held = new Map()

  // Take a position unless a newer one is held. True when it is news.
  take(room, { seq, v }) {
    const held = this.#held.get(room)
    if (held && v < held.v) return false
    this.#held.set(room, { seq, v })
    return !held || v > held.v
  }

  of(room) { return this.#held.get(room) ?? { seq: 0, v: -1 } }
}
