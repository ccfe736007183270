// Tells those who listen what is new, politely: at most one sentence every three seconds.
const PAUSE = 3000

export class Announcer {
  #waiting = []
  #timer = null

  constructor(region) { this.region = region }

  say(name, text) {
    this.#waiting.push(`${name}: ${text}`)
    this.#timer ??= setTimeout(() => this.#speak(), this.#waiting.length > 1 ? PAUSE : 300)
  }

  close() { clearTimeout(this.#timer) }

  #speak() {
    const said = this.#waiting.length > 2 ? `${this.#waiting.length} new messages` : this.#waiting.join(". ")
    this.region.textContent = said.slice(0, 300)
    this.#waiting = []
    this.#timer = setTimeout(() => { this.#timer = null; if (this.#waiting.length) this.#speak() }, PAUSE)
  }
}
