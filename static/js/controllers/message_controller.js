import { Controller } from "@hotwired/stimulus"
import { confirm } from "parley/lib/confirm"
import { copy } from "parley/lib/clipboard"
import { isTyping } from "parley/lib/element"
import { page } from "parley/lib/html"
import { live } from "parley/lib/live"
import { refusal, toast } from "parley/lib/toast"

// What one can do with a message, for all messages of the timeline: by its buttons, its menu and single keys.
export default class extends Controller {
  static targets = ["menu"]

  connect() {
    this.abort = new AbortController()
    const { signal } = this.abort
    this.element.addEventListener("parley:edit", (event) => this.#edit(event.target), { signal })
    this.element.addEventListener("keydown", (event) => this.#key(event), { signal })
    this.element.addEventListener("submit", (event) => this.#save(event), { signal })
    document.addEventListener("turbo:before-cache", () => this.element.querySelectorAll("[data-edit-form]").forEach((form) => this.#close(form)), { signal })
  }

  disconnect() { this.abort.abort() }

  more({ currentTarget }) {
    this.chosen = currentTarget.closest(".message").dataset.id
    for (const mark of ["message--mine", "message--may-delete"]) this.menuTarget.classList.toggle(mark, this.#message.classList.contains(mark))
  }

  edit(event) { this.#act(event, (message) => this.#edit(message)) }
  delete(event) { this.#act(event, (message) => this.#delete(message)) }
  copyLink(event) { this.#act(event, (message) => this.#copyLink(message)) }
  markUnread(event) { this.#act(event, (message) => this.#markUnread(message)) }
  cancelEdit({ currentTarget }) { this.#close(currentTarget.closest("[data-edit-form]")) }
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

  async #edit(message) {
    if (!message.matches(".message--mine") || message.querySelector("[data-edit-form]")) return
    const { id, rev } = message.dataset
    const text = message.dataset.text ?? await textOf(id)
    if (text === null) return toast("This message cannot be edited now. Try again in a moment.", { isDanger: true })
    const form = live.room.element.querySelector("[data-room-target=editor]").content.firstElementChild.cloneNode(true)
    Object.assign(form.dataset, { id, rev })
    const { activeElement } = document
    form.action = `/messages/${id}/edit`
    form.goBack = () => (activeElement?.id === "text" ? activeElement : document.getElementById(`message-${id}`)).focus({ preventScroll: true })
    form.elements.text.value = text
    message.querySelector(".message__body").before(form)
    message.querySelector(".message__body").hidden = true
    message.classList.add("message--editing")
    form.elements.text.focus()
    form.elements.text.setSelectionRange(text.length, text.length)
    form.scrollIntoView({ block: "nearest" })
  }

  async #save(event) {
    const form = event.target.closest("[data-edit-form]")
    if (!form) return
    event.preventDefault()
    const text = form.elements.text.value.trim()
    const { id, rev } = form.dataset
    if (!text) return this.#delete(document.getElementById(`message-${id}`))
    const answer = await live.connection.ask("edit", { message: Number(id), text, rev: Number(rev) })
    if (answer?.ok) return this.#close(form)
    if (answer?.code === "conflict") form.dataset.rev = answer.message?.rev ?? form.closest(".message").dataset.rev // saving again is then a decision
    const error = form.querySelector("[data-edit-error]")
    error.hidden = false
    error.textContent = typeof answer?.message === "string" || !answer ? refusal(answer) : "It was changed meanwhile. Saving again replaces that."
  }

  #close(form) {
    const message = form.closest(".message")
    form.remove()
    message.classList.remove("message--editing")
    message.querySelector(".message__body").hidden = false
    form.goBack()
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
      ?? (message && { e: () => this.#edit(message), l: () => this.#copyLink(message), u: () => this.#markUnread(message), Delete: () => this.#delete(message) }[event.key])
    if (!act || event.key.startsWith("Arrow") && !message && event.target !== this.element) return
    event.preventDefault()
    act()
  }

  #keyInForm(event, form) {
    if (event.isComposing) return
    if (event.key === "Escape") this.#close(form)
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

// As it was typed, from the page that edits it without script.
async function textOf(id) {
  const answer = await fetch(`/messages/${id}/edit`, { headers: { Accept: "text/html" } }).catch(() => null)
  if (!answer?.ok) return null
  return page(await answer.text()).querySelector("textarea[name=text]")?.value ?? null
}
