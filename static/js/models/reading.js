import { CLOCK } from "parley/models/clock"

// Moves my read position to what was on screen while I was looking, and no further. It never moves back by itself.
const PAUSE = 400
const RETRY = 5000

export class Reading {
  #seen = 0
  #sent = 0
  #timer = null
  #isPaused = false
  #isClosed = false

  // position() is what is known to be stored;  send(seq) → promise of the acknowledgement, or null
  constructor({ position, send, clock = CLOCK }) { Object.assign(this, { position, send, clock }) }

  saw(seq) {
    if (this.#isPaused || seq <= this.#seen) return
    this.#seen = seq
    this.#soon(PAUSE)
  }

  // I marked something unread: what is on screen shall stay so until I leave the room.
  pause() {
    this.#isPaused = true
    this.#stop()
  }

  close() {
    this.#isClosed = true
    this.#stop()
  }

  async flush() {
    this.#stop()
    const seq = this.#seen
    if (this.#isPaused || seq <= Math.max(this.position(), this.#sent)) return
    this.#sent = seq
    const answer = await this.send(seq)
    if (answer?.ok || this.#isClosed) return
    this.#sent = 0
    this.#soon(answer?.retry_after ? answer.retry_after * 1000 : RETRY)
  }

  #soon(pause) { this.#timer ??= this.clock.later(() => this.flush(), pause) }

  #stop() {
    this.clock.cancel(this.#timer)
    this.#timer = null
  }
}
