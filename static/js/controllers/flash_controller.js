import { Controller } from "@hotwired/stimulus"
import { el } from "parley/lib/element"

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

  show({ text, isDanger = false, key = "", way }) {
    if (key && this.toastTargets.some(({ dataset }) => dataset.key === key)) return
    const toast = this.blankTarget.content.firstElementChild.cloneNode(true)
    toast.dataset.key = key
    const words = toast.querySelector("[data-flash-text]")
    words.textContent = text
    if (way) {
      const button = el("button", { class: "button", type: "button" }, way.words)
      button.addEventListener("click", () => { toast.remove(); way.go() })
      words.after(button)
    }
    if (isDanger) {
      toast.classList.add("toast--danger")
      toast.querySelector("use").setAttribute("href", "#icon-warning")
    }
    this.element.append(toast)
  }

  close({ currentTarget }) { currentTarget.closest(".toast").remove() }
}
