// How long to wait before trying again: full jitter, so that a thousand clients do not come back in the same moment. While
// few tries have failed, `eagerly` of them, `soon` is the most.
export function jitter(tries, { base = 1000, least = base, cap = 30_000, eagerly = 0, soon = cap, random = Math.random } = {}) {
  const most = Math.min(tries > eagerly ? cap : soon, base * 2 ** Math.min(tries, 20))
  return least + random() * (most - least)
}

export class Backoff {
  #tries = 0
  #options
  constructor(options = {}) { this.#options = options }
  get tries() { return this.#tries }
  next() { return jitter(++this.#tries, this.#options) }
  reset() { this.#tries = 0 }
}
