import { Controller } from "@hotwired/stimulus"
import { confirm } from "parley/lib/confirm"
import { copy } from "parley/lib/clipboard"
import { closeEditor, leaveEditor, openEditor, saveEditor } from "parley/lib/editor"
import { isTyping } from "parley/lib/element"
import { live } from "parley/lib/live"
import { goTo } from "parley/lib/page"
import { refusal, toast } from "parley/lib/toast"

// What one can do with a message, for all messages of the timeline: by its buttons, its menu and single keys.
export default class extends Controller {
  static targets = ["menu"]

  connect() {
    this.abort = new AbortController()
    const { signal } = this.abort
    this.element.addEventListener("parley:edit", (event) => openEditor(event.target), { signal })
    this.element.addEventListener("keydown", (event) => this.#key(event), { signal })
    this.element.addEventListener("submit", (event) => this.#save(event), { signal })
    document.addEventListener("turbo:before-cache", () => this.element.querySelectorAll("[data-edit-form]").forEach(closeEditor), { signal })
  }

  disconnect() { this.abort.abort() }

  more({ currentTarget }) {
    this.chosen = currentTarget.closest(".message").dataset.id
    for (const mark of ["message--mine", "message--may-delete"]) this.menuTarget.classList.toggle(mark, this.#message.classList.contains(mark))
  }

  edit(event) { this.#act(event, (message) => openEditor(message)) }
  delete(event) { this.#act(event, (message) => this.#delete(message)) }
  copyLink(event) { this.#act(event, (message) => this.#copyLink(message)) }
  report(event) { this.#act(event, (message) => goTo(`/messages/${message.dataset.id}/report`)) }
  markUnread(event) { this.#act(event, (message) => this.#markUnread(message)) }

  unfold(event) {
    event.preventDefault()
    const message = event.currentTarget.closest(".message")
    message.classList.add("message--unfolded")
    message.focus()
  }

  cancelEdit({ currentTarget }) { leaveEditor(currentTarget.closest("[data-edit-form]")) }
  retry({ currentTarget }) { live.outbox.retry(currentTarget.closest(".message").dataset.key) }
  discard({ currentTarget }) { live.outbox.discard(currentTarget.closest(".message").dataset.key) }

  get #message() { return document.getElementById(`message-${this.chosen}`) }

  // From a message's own button, or from the menu that belongs to the message which opened it.
  #act(event, work) {
    event.preventDefault()
    const isInMenu = this.hasMenuTarget && this.menuTarget.contains(event.currentTarget)
    const message = isInMenu ? this.#message : event.currentTarget.closest(".message")
    if (isInMenu) this.menuTarget.hidePopover()
    if (message) work(message)
  }

  #save(event) {
    const form = event.target.closest("[data-edit-form]")
    if (!form) return
    event.preventDefault()
    if (form.elements.text.value.trim()) saveEditor(form)
    else this.#delete(form.closest(".message"))
  }

  async #delete(message) {
    if (!message.matches(".message--may-delete")) return
    const about = message.querySelector(".message__body")?.cloneNode(true)
    if (about) about.hidden = false
    if (!await confirm("Delete this message?", { label: "Delete", about })) return message.focus()
    const answer = await live.connection.ask("delete", { message: Number(message.dataset.id) })
    if (!answer?.ok) toast(refusal(answer), { isDanger: true })
    document.getElementById(`message-${message.dataset.id}`)?.focus({ preventScroll: true })
  }

  async #copyLink(message) {
    await copy(new URL(message.querySelector("a.message__time").getAttribute("href"), location.href).href)
    toast("Link copied")
  }

  async #markUnread(message) {
    if (!live.room.isMember) return
    const seq = Number(message.dataset.seq)
    live.room.markUnread(seq)
    const answer = await live.connection.ask("unread", { room: live.room.id, seq })
    toast(answer?.ok ? "Unread from here" : refusal(answer), { isDanger: !answer?.ok })
  }

  #key(event) {
    const form = event.target.closest("[data-edit-form]")
    if (form) return this.#keyInForm(event, form)
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
    const message = event.target.closest(".message[data-id]")
    const act = { ArrowDown: () => this.#move(message, 1), ArrowUp: () => this.#move(message, -1) }[event.key]
      ?? (message && { e: () => openEditor(message), l: () => this.#copyLink(message), u: () => this.#markUnread(message), Delete: () => this.#delete(message) }[event.key])
    if (!act || event.key.startsWith("Arrow") && !message && event.target !== this.element) return
    event.preventDefault()
    act()
  }

  #keyInForm(event, form) {
    if (event.isComposing) return
    if (event.key === "Escape") leaveEditor(form)
    else if (event.key === "Enter" && !event.shiftKey) form.requestSubmit()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  #move(message, by) {
    const messages = [...this.element.querySelectorAll(".message[data-id]")]
    const next = message ? messages[messages.indexOf(message) + by] : messages.at(-1)
    if (next) next.focus()
    else if (by > 0) document.getElementById("text")?.focus()
    next?.scrollIntoView({ block: "nearest" })
  }
}
