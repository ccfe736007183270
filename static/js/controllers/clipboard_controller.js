import { Controller } from "@hotwired/stimulus"
import { copy } from "parley/lib/clipboard"
import { toast } from "parley/lib/toast"

export default class extends Controller {
  static targets = ["source"]

  async copy() {
    this.sourceTarget.select()
    await copy(this.sourceTarget.value)
    toast("Copied")
  }
}
