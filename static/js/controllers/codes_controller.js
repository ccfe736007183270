import { Controller } from "@hotwired/stimulus"
import { copy } from "parley/lib/clipboard"
import { toast } from "parley/lib/toast"

// Recovery codes, to take along: they are shown once.
export default class extends Controller {
  static targets = ["list"]
  static values = { name: String }

  get #text() {
    return [...this.listTarget.children].map((item) => item.textContent.trim()).join("\n")
  }

  async copy() {
    await copy(this.#text)
    toast("Copied")
  }

  save() {
    const file = new Blob([`${this.nameValue}\n\n${this.#text}\n`], { type: "text/plain" })
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `${this.nameValue}.txt` })
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  print() { window.print() }
}
