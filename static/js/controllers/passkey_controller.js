import { Controller } from "@hotwired/stimulus"

// A form whose answer comes from a passkey. It stays hidden where the browser knows none.
export default class extends Controller {
  static targets = ["credential", "trouble"]
  static values = { challenge: String }

  connect() {
    if (!window.PublicKeyCredential) return
    this.passkeys = import("parley/lib/passkeys") // now: browsers want little between the press and the question
    this.element.hidden = false
  }

  async ask(event) {
    event.preventDefault()
    this.#say("")
    try {
      const { answerTo } = await this.passkeys
      this.credentialTarget.value = await answerTo(this.challengeValue, this.element.elements.csrf_token.value)
      this.element.submit() // as without script: what it leads to is another session, and a page afresh
    } catch ({ message }) {
      this.#say(message)
    }
  }

  #say(words) {
    this.troubleTarget.textContent = words
    this.troubleTarget.hidden = !words
  }
}
