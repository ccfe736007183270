import { Controller } from "@hotwired/stimulus"
import { live } from "parley/lib/live"
import { readPage, restart } from "parley/lib/page"
import { agoWords } from "parley/lib/time"

const GRACE = 1500 // what is over sooner is not worth a word

// Gives the page that is on screen to the live layer, and says when it is not live.
export default class extends Controller {
  static targets = ["bar", "barText"]

  connect() {
    live.bar = this
    live.adopt(readPage(this.element))
    this.ageing = setInterval(() => this.draw(), 15_000)
    this.draw()
  }

  disconnect() {
    clearInterval(this.ageing)
    clearTimeout(this.waiting)
    if (live.bar === this) live.bar = null
  }

  retry() {
    if (live.isStuck) restart()
    else live.connection.retry()
  }

  draw() {
    const state = this.#state
    if (state && this.barTarget.hidden) {
      this.waiting ??= setTimeout(() => { this.waiting = null; this.#write(this.#state) }, GRACE)
    } else {
      clearTimeout(this.waiting)
      this.waiting = null
      this.#write(state)
    }
  }

  get #state() {
    if (live.isStuck) return "stuck"
    if (!live.connection.isOnline) return live.connection.state
    return live.session.isCatchingUp ? "catching" : null
  }

  #write(state) {
    this.barTarget.hidden = !state
    this.barTarget.classList.toggle("bar--quiet", state === "catching")
    this.barTarget.querySelector("button").hidden = state === "catching"
    const from = `What you see is from ${agoWords(new Date(live.connection.heardAt))}.`
    const words = {
      connecting: "Connecting…",
      offline: `Offline. ${from} What you write waits and is sent later.`,
      restarting: `The server is restarting. ${from}`,
      catching: "Catching up…",
      stuck: "This page cannot keep up with the server. Try now loads it again.",
    }[state] ?? ""
    if (this.barTextTarget.textContent !== words) this.barTextTarget.textContent = words
  }
}
