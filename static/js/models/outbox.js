import { jitter } from "parley/models/backoff"
import { CLOCK } from "parley/models/clock"

// Messages that are not stored by the server yet. They wait in the order in which they were written, each with the key it
// was given then, and survive the tab. Nothing leaves here but by being stored, or because its author discards it.
const RETRYABLE = new Set(["busy", "rate_limited", "error"])
const DAY = 24 * 60 * 60 * 1000
const SILENCE = "The server did not answer."

export class Outbox {
  #items = []
  #unsaved = new Set()
  #looks = 0
  #newest = null
  #user = null
  #isOnline = false
  #isRunning = false
  #again = false
  #timer = null

  // store   the copy that all tabs share: {all(), add(item), put(item), remove(key)}, all promises; all() is in order
  // send(item) → promise of the acknowledgement, or null when there was none
  // lock(work)  runs `work` while no other tab sends. Sending twice is harmless, the key sees to that; it is only waste.
  // view    {changed(items), sent(item, message), refused()};  announce()  tells the other tabs to look
  constructor({ store, send, lock = (work) => work(), view, announce = () => {}, clock = CLOCK, random = Math.random }) {
    Object.assign(this, { store, send, lock, view, announce, clock, random })
  }

  get items() { return this.#items }
  of(room) { return this.#items.filter((item) => item.room === room) }

  // Whose messages these are: another person's stay where they are until that person is back.
  async open(user) {
    this.#user = user
    await this.look()
    await this.flush()
  }

  // Write a message. It is in `items` when this returns; the promise is for whoever wants to know that it is kept.
  post(item) {
    const waiting = { ...item, user: this.#user, at: this.clock.now(), state: "waiting", tries: 0, due: 0 }
    this.#unsaved.add(item.key)
    this.#items = [...this.#items, waiting]
    this.view.changed(this.#items)
    return this.#keep(waiting)
  }

  async #keep(item) {
    await this.store.add(item)
    this.#unsaved.delete(item.key)
    await this.look()
    this.announce()
    await this.flush()
  }

  // Try a refused or old one again, because its author asks.
  async retry(key) {
    const item = this.#items.find((each) => each.key === key)
    if (!item) return
    await this.#change({ ...item, state: "waiting", reason: null, tries: 0, due: 0, isAsked: true })
    await this.flush()
  }

  async discard(key) {
    await this.store.remove(key)
    await this.look()
    this.announce()
  }

  // Another tab changed something, or this one did: the shared copy is the truth.
  look() {
    return this.#newest = this.#read(++this.#looks)
  }

  async #read(look) {
    const kept = (await this.store.all()).filter((item) => item.user === this.#user)
    if (look !== this.#looks) return this.#newest
    const keys = new Set(kept.map((item) => item.key))
    const unsaved = this.#items.filter((item) => this.#unsaved.has(item.key) && !keys.has(item.key))
    this.#items = [...kept, ...unsaved.filter((item) => item.user === this.#user)]
    this.view.changed(this.#items)
  }

  connected() {
    this.#isOnline = true
    return this.flush({ isFresh: true })
  }

  disconnected() {
    this.#isOnline = false
    this.clock.cancel(this.#timer)
  }

  // Send whatever may go now; one message of a room is out at a time. `isFresh`: whoever got no answer need not wait.
  async flush({ isFresh = false } = {}) {
    if (isFresh) this.isFresh = true
    this.#again = true
    if (this.#isRunning || !this.#isOnline) return
    this.#isRunning = true
    try {
      await this.lock(() => this.#drain())
    } finally {
      this.#isRunning = false
    }
    if (this.#again && this.#isOnline) return this.flush()
    this.#wake()
  }

  async #drain() {
    while (this.#isOnline) {
      this.#again = false
      await this.look()
      const now = this.clock.now()
      const ready = this.#heads().filter((item) => item.due <= now || this.isFresh && item.isSilent)
      this.isFresh = false
      if (!ready.length && !this.#again) return
      await Promise.all(ready.map((item) => this.#attempt(item)))
    }
  }

  // The oldest message of each room that still has to go. Refused ones are out of the way; old ones wait to be asked.
  #heads() {
    const heads = new Map()
    for (const item of this.#items) {
      if (item.state !== "waiting" || this.isOld(item) || heads.has(item.room)) continue
      heads.set(item.room, item)
    }
    return [...heads.values()].filter((item) => !this.#unsaved.has(item.key))
  }

  isOld(item) { return !item.isAsked && this.clock.now() - item.at > DAY }

  async #attempt(item) {
    const answer = await this.send(item).catch(() => null)
    if (answer?.ok) {
      await this.store.remove(item.key)
      this.view.sent(item, answer.message)
      await this.look()
      return this.announce()
    }
    if (!answer || RETRYABLE.has(answer.code)) return this.#postpone(item, answer)
    if (answer.code === "unauthorized") {
      this.#isOnline = false // until somebody has signed in
      return this.view.refused()
    }
    await this.#change({ ...item, state: "failed", code: answer.code, reason: answer.message })
  }

  #postpone(item, answer) {
    const tries = item.tries + 1
    const pause = answer?.retry_after ? answer.retry_after * 1000 : jitter(tries, { random: this.random })
    return this.#change({ ...item, tries, due: this.clock.now() + pause, isSilent: !answer, reason: answer?.message ?? SILENCE })
  }

  async #change(item) {
    await this.store.put(item)
    await this.look()
    this.announce()
  }

  #wake() {
    this.clock.cancel(this.#timer)
    const due = Math.min(...this.#heads().map((item) => item.due))
    if (this.#isOnline && due < Infinity) this.#timer = this.clock.later(() => this.flush(), Math.max(0, due - this.clock.now()))
  }
}
