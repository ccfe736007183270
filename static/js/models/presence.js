import { CLOCK } from "parley/models/clock"

// Who is writing where, and who is around: leases, which end by themselves when nobody renews them.
const TYPING = 6000

export class Typists {
  #leases = new Map()

  constructor({ changed, clock = CLOCK }) { Object.assign(this, { changed, clock }) }

  set(room, user, on) {
    const key = `${room}:${user}`
    if (on) {
      this.#leases.set(key, { room, user, until: this.clock.now() + TYPING })
      this.clock.later(() => this.#expire(), TYPING + 20)
    } else if (!this.#leases.delete(key)) {
      return
    }
    this.changed(room)
  }

  in(room) {
    return [...this.#leases.values()].filter((lease) => lease.room === room && lease.until > this.clock.now()).map((lease) => lease.user)
  }

  clear() {
    const rooms = new Set([...this.#leases.values()].map((lease) => lease.room))
    this.#leases.clear()
    rooms.forEach((room) => this.changed(room))
  }

  #expire() {
    for (const [key, lease] of this.#leases) {
      if (lease.until > this.clock.now()) continue
      this.#leases.delete(key)
      this.changed(lease.room)
    }
  }
}

// Tells the others that I am writing: at the first key, then at half of the lease, and at the end.
export class Typing {
  #until = 0
  constructor({ send, clock = CLOCK }) { Object.assign(this, { send, clock }) }
  typed() {
    if (this.#until - this.clock.now() > TYPING / 2) return
    this.#until = this.clock.now() + TYPING
    this.send(true)
  }
  stopped() {
    if (this.#until > this.clock.now()) this.send(false)
    this.#until = 0
  }
}
