import { CLOCK } from "parley/models/clock"

// Starting afresh is the cure for a gap, unless it is needed again and again: after three in a minute a person decides.
const WINDOW = 60_000
const ALLOWED = 3

export class Resets {
  #memory
  #clock
  // `memory` keeps the moments of past resets over a reload of the page: {load() → array, save(array)}.
  constructor({ memory = kept(), clock = CLOCK } = {}) {
    this.#memory = memory
    this.#clock = clock
  }
  allow() {
    const recent = this.#memory.load().filter((at) => at > this.#clock.now() - WINDOW)
    if (recent.length >= ALLOWED) return false
    this.#memory.save([...recent, this.#clock.now()])
    return true
  }
}

function kept() {
  let moments = []
  return { load: () => moments, save: (list) => { moments = list } }
}
