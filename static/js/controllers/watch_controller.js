import { Controller } from "@hotwired/stimulus"
import { page } from "parley/lib/html"
import { goTo } from "parley/lib/page"

// Looks every few seconds whether this page would say something else by now, and only then loads it again: whoever
// reads or copies something here is not disturbed. `state` stands for what it says.
export default class extends Controller {
  static values = { state: String, seconds: { type: Number, default: 3 } }

  connect() { this.timer = setInterval(() => this.look(), this.secondsValue * 1000) }

  disconnect() { clearInterval(this.timer) }

  async look() {
    const here = location.pathname + location.search
    const answer = await fetch(here, { headers: { Accept: "text/html" } }).catch(() => null)
    if (!answer || !this.element.isConnected) return
    const there = answer.ok && page(await answer.text()).querySelector("[data-controller~=watch]")
    if (there && there.dataset.watchStateValue === this.stateValue) return
    clearInterval(this.timer)
    goTo(here, { action: "replace" })
  }
}
