import { Controller } from "@hotwired/stimulus"

// Counts to the moment at which one may go on, and goes on by itself if the page says so.
export default class extends Controller {
  static values = { seconds: Number, reload: Boolean }

  connect() {
    this.element.max = this.secondsValue
    this.element.value = 0
    this.timer = setInterval(() => this.tick(), 1000)
  }

  disconnect() { clearInterval(this.timer) }

  tick() {
    this.element.value += 1
    if (this.element.value < this.secondsValue) return
    clearInterval(this.timer)
    if (this.reloadValue) location.reload()
  }
}
