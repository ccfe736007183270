import { CLOCK } from "parley/models/clock"

const PATIENCE = 6000

// Whether the way to the server is dead though nobody said so: where packets are lost, a connection stays open for minutes,
// and comes back to life long after its network. Something was asked, and then nothing was heard at all: then the server is
// looked for on another way, and only when that fails, too, the connection is given up. A busy server keeps people waiting
// as well, and to come again would be the worst that they can do to it.
export class Pulse {
  #questions = new Set()
  #heardAt = 0
  #connection = 0
  #timer = null
  #isLooking = false

  // reaches() → promise whether the server answers elsewhere, within seconds;  dead()  the connection is to be given up
  constructor({ reaches, dead, clock = CLOCK }) {
    Object.assign(this, { reaches, dead, clock })
  }

  heard() { this.#heardAt = this.clock.now() }

  // Something was asked. Returns what to call when there is an answer, or when it is not waited for any more.
  asked(patience = PATIENCE) {
    const question = { at: this.clock.now(), patience }
    this.#questions.add(question)
    this.#watch()
    return () => { this.#questions.delete(question) }
  }

  // The connection has ended, and whatever was asked with it.
  ended() {
    this.#connection++
    this.#questions.clear()
    this.clock.cancel(this.#timer)
    this.#timer = null
  }

  get #due() { return Math.min(...[...this.#questions].map(({ at, patience }) => Math.max(at, this.#heardAt) + patience)) }

  #watch() {
    if (this.#isLooking || !this.#questions.size) return
    this.clock.cancel(this.#timer)
    this.#timer = this.clock.later(() => { this.#timer = null; this.#look() }, Math.max(0, this.#due - this.clock.now()))
  }

  async #look() {
    const [connection, began] = [this.#connection, this.clock.now()]
    if (this.#questions.size && this.#due <= began) {
      this.#isLooking = true
      const isReached = await this.reaches()
      this.#isLooking = false
      if (connection === this.#connection && this.#heardAt <= began) {
        if (!isReached) return this.dead()
        this.heard() // not from where it was asked, but it is a sign of life
      }
    }
    this.#watch()
  }
}
