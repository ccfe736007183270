// Names and pictures show in many places; all of them follow the newest version of their owner.
export class People {
  #held = new Map()

  // True when this is newer than what was held, so that every place has to be drawn again.
  take(person) {
    if (!person || typeof person.v !== "number") return false
    const held = this.#held.get(person.id)
    if (held && held.v >= person.v) return false
    this.#held.set(person.id, person)
    return true
  }

  of(id) { return this.#held.get(id) }
}
