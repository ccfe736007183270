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

// Who is here. The server names everybody who is when a connection arrives, and every change from then on; only what it
// has not said when it answers is known to be nobody. While there is no connection what was known stays.
export class Present {
  #states = new Map()
  #arrival = 0
  #isWhole = false

  // changed(user, state) for one;  all(stateOf) for everybody on the page
  constructor({ changed, all }) { Object.assign(this, { changed, all }) }

  // answered: a promise of what the server said after it had named everybody, null if it said nothing
  async arrived(answered) {
    const arrival = ++this.#arrival
    this.#states.clear()
    this.#isWhole = false
    if (!await answered || arrival !== this.#arrival) return
    this.#isWhole = true
    this.redraw()
  }

  set(user, state) {
    if (state === "offline") this.#states.delete(user)
    else this.#states.set(user, state)
    this.changed(user, state)
  }

  // A page came, perhaps drawn a while ago.
  redraw() {
    if (this.#isWhole) this.all((user) => this.#states.get(user) ?? "offline")
  }
}
