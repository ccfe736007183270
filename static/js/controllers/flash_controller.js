import { Controller } from "@hotwired/stimulus"

const SHOWN = 6000

// Words about what was just done. Good news goes by itself; bad news waits to be read.
export default class extends Controller {
  static targets = ["toast", "blank"]

  connect() {
    this.abort = new AbortController()
    const { signal } = this.abort
    document.addEventListener("parley:toast", ({ detail }) => this.show(detail), { signal })
    document.addEventListener("turbo:before-cache", () => this.toastTargets.forEach((toast) => toast.remove()), { signal })
  }

  disconnect() { this.abort.abort() }

  toastTargetConnected(toast) {
    if (!toast.matches(".toast--danger")) setTimeout(() => toast.remove(), SHOWN)
  }

  show({ text, isDanger }) {
    const toast = this.blankTarget.content.firstElementChild.cloneNode(true)
    toast.querySelector("[data-flash-text]").textContent = text
    toast.classList.toggle("toast--danger", isDanger)
    this.element.append(toast)
  }

  close({ currentTarget }) { currentTarget.closest(".toast").remove() }
}
