// Imported first by every test, so that `await import("parley/…")` finds our modules; and what the tests share.
import { register } from "node:module"

register("./resolve.mjs", import.meta.url)

// A clock that stands still until a test moves it.
export class Clock {
  time = 1_000_000
  #timers = new Map()
  #next = 1
  now = () => this.time
  later = (work, pause) => {
    this.#timers.set(this.#next, { work, at: this.time + pause })
    return this.#next++
  }
  cancel = (timer) => { this.#timers.delete(timer) }
  get isIdle() { return this.#timers.size === 0 }
  async pass(milliseconds) {
    const end = this.time + milliseconds
    for (;;) {
      const [id, timer] = [...this.#timers].sort((a, b) => a[1].at - b[1].at)[0] ?? []
      if (!timer || timer.at > end) break
      this.#timers.delete(id)
      this.time = Math.max(this.time, timer.at)
      timer.work()
      await settled()
    }
    this.time = end
    await settled()
  }
}

// Everything that only waited for promises has happened.
export async function settled() {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve))
}

// An answer that a test gives when it likes.
export function question() {
  let answer
  const promise = new Promise((resolve) => { answer = resolve })
  return { promise, answer }
}
