import { Controller } from "@hotwired/stimulus"

export default class extends Controller {
  static targets = ["input", "button"]

  toggle() {
    const isShown = this.inputTarget.type === "text"
    this.inputTarget.type = isShown ? "password" : "text"
    this.buttonTarget.setAttribute("aria-pressed", !isShown)
    this.buttonTarget.setAttribute("aria-label", isShown ? "Show the password" : "Hide the password")
  }
}
