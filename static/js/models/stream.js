// Applies one stream's frames in order. A repeat is ignored; a frame from beyond a gap is held, and what is missing is
// asked for until no number that is known of is missing. The cursor belongs to the copy that the frames are applied to.
const HELD_AT_MOST = 200

export class Stream {
  #cursor
  #known
  #held = new Map()
  #closed = false

  // apply(frame) draws it; ask() requests what follows the cursor. The session sees to it that one request is out at a time.
  constructor(cursor, { apply, ask }) {
    this.#cursor = this.#known = cursor
    this.apply = apply
    this.ask = ask
  }

  get cursor() { return this.#cursor }
  get isClosed() { return this.#closed }
  get isBehind() { return this.#known > this.#cursor }

  receive(frame) {
    if (this.#closed || frame.seq <= this.#cursor) return
    this.know(frame.seq)
    if (frame.seq > this.#cursor + 1) {
      if (this.#held.size < HELD_AT_MOST) this.#held.set(frame.seq, frame)
      return this.ask()
    }
    this.#advance(frame)
    while (!this.#closed && this.#held.size) {
      const next = this.#held.get(this.#cursor + 1)
      for (const seq of this.#held.keys()) if (seq <= this.#cursor + 1) this.#held.delete(seq)
      if (!next) break
      this.#advance(next)
    }
  }

  // The stream has reached this number, wherever we heard it.
  know(number) {
    if (number > this.#known) this.#known = number
  }

  // The connection is gone, and with it what it had announced: the next one says anew how far the stream is.
  disconnected() {
    this.#held.clear()
    this.#known = this.#cursor
  }

  // The copy was dropped, perhaps by the very frame that is being applied: nothing that was held may reach it.
  close() {
    this.#closed = true
    this.#held.clear()
  }

  #advance(frame) {
    this.#cursor = frame.seq
    this.apply(frame)
  }
}
