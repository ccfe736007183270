// How long to wait before trying again: full jitter, so that a thousand clients do not come back in the same moment.
export function jitter(tries, { base = 1000, cap = 30_000, random = Math.random } = {}) {
  return base + random() * (Math.min(cap, base * 2 ** Math.min(tries, 20)) - base)
}

export class Backoff {
  #tries = 0
  #options
  constructor(options = {}) { this.#options = options }
  get tries() { return this.#tries }
  next() { return jitter(++this.#tries, this.#options) }
  reset() { this.#tries = 0 }
}
