import { Controller } from "@hotwired/stimulus"
import { Typing } from "parley/models/presence"
import { draft } from "parley/lib/draft"
import { newKey } from "parley/lib/key"
import { live } from "parley/lib/live"
import { formatted } from "parley/lib/markdown"
import { toast } from "parley/lib/toast"

const KEYS = { b: "bold", i: "italic", k: "link" }

// Where one writes. Sending never waits: the message goes to the outbox, and its copy is on screen before the key is up.
export default class extends Controller {
  static targets = ["text", "format", "wait"]
  static values = { room: Number, pace: Number, said: String }

  connect() {
    this.typist = new Typing({ send: (on) => live.connection.tell("typing", { room: this.roomValue, on }) })
    this.textTarget.value ||= draft.of(live.me, this.roomValue)
    this.textTarget.required = false // an empty one is not sent, and says nothing
    this.#grow()
    this.#wait(Date.parse(this.saidValue))
    if (matchMedia("(hover: hover)").matches && !location.hash) this.textTarget.focus({ preventScroll: true })
  }

  disconnect() {
    this.typist.stopped()
    clearInterval(this.waiting)
  }

  send(event) {
    event.preventDefault()
    const text = this.textTarget.value.trim()
    if (!text) return
    if (this.#secondsLeft > 0) return toast(`This room is slow. You can write again in ${inWords(this.#secondsLeft)}.`)
    live.outbox.post({ key: newKey(), room: this.roomValue, text })
    this.#wait(Date.now())
    live.room?.goToEnd()
    this.#set("")
    this.textTarget.focus()
    this.typist.stopped()
  }

  key(event) {
    if (event.isComposing || event.target !== this.textTarget) return
    const kind = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && KEYS[event.key.toLowerCase()]
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && !isTouch()) this.send(event)
    else if (event.key === "ArrowUp" && !this.textTarget.value) this.#editLast(event)
    else if (kind && (kind !== "link" || this.#hasSelection)) this.#format(kind, event) // with nothing selected, Ctrl K jumps
  }

  typing() {
    draft.keep(live.me, this.roomValue, this.textTarget.value)
    this.#grow()
    if (this.textTarget.value.trim()) this.typist.typed()
    else this.typist.stopped()
  }

  format({ params }) { this.#format(params.kind) }

  mention() {
    const { value, selectionStart: at } = this.textTarget
    this.#type(/\S$/.test(value.slice(0, at)) ? " @" : "@", at, at)
  }

  toggleFormat({ currentTarget }) {
    const isOpen = this.formatTarget.classList.toggle("composer__format--open")
    currentTarget.setAttribute("aria-expanded", isOpen)
  }

  #format(kind, event) {
    event?.preventDefault()
    event?.stopPropagation()
    const { value, selectionStart, selectionEnd } = this.textTarget
    const { start, end, words, from, to } = formatted(value, selectionStart, selectionEnd, kind)
    this.#type(words, start, end)
    this.textTarget.setSelectionRange(from, to)
  }

  // As if typed, so that it can be undone.
  #type(words, start, end) {
    this.textTarget.focus()
    this.textTarget.setSelectionRange(start, end)
    if (!document.execCommand("insertText", false, words)) this.textTarget.setRangeText(words, start, end, "end")
    this.typing()
  }

  // Slow mode: after each message of mine the room waits a while. The server holds to it; here it is only shown.
  #wait(said) {
    if (!this.paceValue) return
    this.until = Math.min(said, Date.now()) + this.paceValue * 1000 || 0
    this.words ??= this.waitTarget.textContent
    clearInterval(this.waiting)
    this.waiting = setInterval(() => this.#countDown(), 500)
    this.#countDown()
  }

  #countDown() {
    const seconds = this.#secondsLeft
    const words = seconds > 0 ? `Slow mode: you can write again in ${inWords(seconds)}` : this.words
    if (this.waitTarget.textContent !== words) this.waitTarget.textContent = words
    if (seconds <= 0) clearInterval(this.waiting)
  }

  get #secondsLeft() { return this.paceValue ? Math.ceil((this.until - Date.now()) / 1000) : 0 }

  get #hasSelection() { return this.textTarget.selectionStart < this.textTarget.selectionEnd }

  #editLast(event) {
    const mine = [...document.querySelectorAll(`.message[data-id][data-author-id="${live.me}"]:not(.message--deleted)`)].at(-1)
    if (!mine) return
    event.preventDefault()
    mine.dispatchEvent(new CustomEvent("parley:edit", { bubbles: true }))
  }

  #set(text) {
    this.textTarget.value = text
    draft.keep(live.me, this.roomValue, text)
    this.#grow()
  }

  #grow() { grow(this.textTarget) }
}

const inWords = (seconds) => (seconds === 1 ? "1 second" : `${seconds} seconds`)

// On a touch screen Enter starts a line: there is a button to send, and no Shift.
const isTouch = () => matchMedia("(pointer: coarse) and (hover: none)").matches

export function grow(text) {
  if (CSS.supports("field-sizing", "content")) return
  text.style.blockSize = "auto"
  text.style.blockSize = `${text.scrollHeight}px`
}
