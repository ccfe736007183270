import { Controller } from "@hotwired/stimulus"
import { Reading } from "parley/models/reading"
import { Announcer } from "parley/lib/announcer"
import { dress } from "parley/lib/dress"
import { el } from "parley/lib/element"
import { History } from "parley/lib/history"
import { fragment } from "parley/lib/html"
import { live } from "parley/lib/live"
import { goTo, refresh } from "parley/lib/page"
import { nameOf } from "parley/lib/people_on_page"
import { Pending } from "parley/lib/pending"
import { MOST, Timeline } from "parley/lib/timeline"

const NEAR_EDGE = 800 // pixels before an edge at which the next stretch is asked for
const AT_REST = 200 // the same for older messages while the reader is at the end: most people never look back

// A room on screen: what the stream brings goes into the timeline, what is seen there is read.
export default class extends Controller {
  static targets = ["timeline", "column", "announce", "blank", "latest", "latestText", "typing"]

  connect() {
    const { roomId, member, moderator } = this.element.dataset
    this.id = Number(roomId)
    this.isMember = Boolean(member)
    this.isModerator = moderator === "true" || member === "owner"
    this.isClosed = false
    this.newCount = 0
    this.copy = live.session.room(this.id)
    this.timeline = new Timeline(this.timelineTarget, this.columnTarget)
    this.history = new History(this)
    this.pending = new Pending(this.timeline, this.blankTarget, this.id)
    this.announcer = new Announcer(this.announceTarget)
    this.reading = new Reading({ position: () => this.copy?.position ?? 0, send: (seq) => live.connection.ask("read", { room: this.id, seq }) })
    live.room = this
    this.timeline.pending.forEach((copy) => copy.remove()) // of a page from the cache; the outbox knows which still wait
    dress(this.columnTarget, this)
    this.hold(this.timeline.items)
    this.timeline.arrange()
    this.pending.draw()
    this.#goToPlace()
    this.#listen()
    live.here()
    this.look()
  }

  disconnect() {
    this.isClosed = true
    this.abort.abort()
    this.reading.flush()
    this.reading.close()
    this.announcer.close()
    if (live.room === this) live.room = null
  }

  get title() { return this.element.getAttribute("aria-label") }
  get isWatched() { return !document.hidden && document.hasFocus() }

  // ---- what the stream brings

  show(frame, isNew) {
    if (frame.event === "message") {
      this.timeline.change(() => this.#showMessage(frame, isNew))
      if (frame.change === "posted") this.#arrived(frame)
    } else if (frame.html) {
      this.timeline.change(() => this.#showLine(frame))
      if (frame.change === "archived" || frame.change === "restored") refresh()
    }
    this.look()
  }

  // A message, wherever it belongs: over the copy that is there, or in its place if this stretch is on the page.
  place(frame) {
    const { message, html } = frame
    const shown = this.timeline.message(message.id)
    if (shown && Number(shown.dataset.v) > message.v) return
    const copy = shown ?? (message.author.id === live.me ? this.timeline.copyOf(message.key) : null)
    if (!copy && !this.#isOnPage(message.seq)) return
    const drawn = this.#draw(html)
    drawn.dataset.text = message.text
    if (shown) this.#replace(shown, drawn)
    else {
      copy?.remove()
      this.timeline.insert(drawn)
    }
    this.hold([drawn])
  }

  hold(items) {
    for (const { dataset } of items) {
      if (!dataset.id) continue
      const mentions = (dataset.mentions ?? "").split(",").map(Number)
      this.copy?.hold(Number(dataset.id), { v: Number(dataset.v), mentions, mentionsRoom: dataset.mentionsRoom === "true" })
    }
  }

  #showMessage(frame, isNew) {
    if (!isNew) return
    const { message } = frame
    if (!this.timeline.message(message.id) && !this.#isOnPage(message.seq)) this.history.miss(frame)
    this.place(frame)
    if (frame.change === "posted" && message.author.id !== live.me) this.#markNew(message)
    if (this.timeline.isAtEnd) this.history.trim("older")
    else this.history.trim("newer", 2 * MOST)
  }

  #showLine(frame) {
    if (this.timeline.line(frame.seq) || !this.#isOnPage(frame.seq)) return
    this.timeline.insert(this.#draw(frame.html))
  }

  #draw(html) {
    const drawn = fragment(html)
    dress(drawn, this)
    return drawn.firstElementChild
  }

  #replace(shown, drawn) {
    const editor = shown.querySelector("[data-edit-form]")
    const hadFocus = shown.contains(document.activeElement)
    shown.replaceWith(drawn)
    if (editor && !drawn.matches(".message--deleted")) {
      drawn.classList.add("message--editing")
      drawn.querySelector(".message__body").before(editor)
      drawn.querySelector(".message__body").hidden = true
    }
    if (hadFocus) (editor?.isConnected ? editor.elements.text : drawn).focus()
  }

  #isOnPage(seq) {
    const { first, last } = this.timeline
    return this.history.isNewest && (!this.history.has.older || !first || seq > Number(first.dataset.seq)) ||
      first !== null && seq > Number(first.dataset.seq) && seq < Number(last.dataset.seq)
  }

  // The line stays where reading stopped while I am here; when I am away and had read all, it moves to what comes.
  #markNew(message) {
    const shown = this.timeline.message(message.id)
    const { newLine } = this.timeline
    if (!shown || this.isWatched && this.timeline.isAtEnd || !this.copy) return
    const hadReadAll = !newLine || Number(shown.previousElementSibling?.dataset?.seq) <= this.copy.position
    if (hadReadAll && message.seq > this.copy.position) this.timeline.placeNewLine(shown)
  }

  #arrived({ message }) {
    if (message.author.id === live.me) return
    if (!this.timeline.isAtEnd || !this.history.isNewest) this.newCount++
    if (!document.hidden) this.announcer.say(message.author.name, message.text)
  }

  // ---- the reader

  #listen() {
    this.abort = new AbortController()
    const options = { signal: this.abort.signal, passive: true }
    let isAsked = false
    const soon = () => {
      if (isAsked) return
      isAsked = true
      requestAnimationFrame(() => { isAsked = false; if (!this.isClosed) this.look() })
    }
    this.timelineTarget.addEventListener("scroll", soon, options)
    addEventListener("focus", soon, options)
    addEventListener("resize", soon, options)
    document.addEventListener("visibilitychange", soon, options)
    this.latestTarget.addEventListener("click", (event) => this.#goToLatest(event), { signal: this.abort.signal })
  }

  // Something moved: load what comes next, take note of what was seen, offer the way to the newest.
  look() {
    const { scrollTop, scrollHeight, clientHeight } = this.timelineTarget
    const fromEnd = Math.abs(scrollTop)
    const ahead = this.timeline.isAtEnd ? AT_REST : NEAR_EDGE
    if (scrollHeight - clientHeight - fromEnd < ahead) this.history.load("older")
    if (fromEnd < NEAR_EDGE) this.history.load("newer")
    if (this.timeline.isAtEnd && this.history.isNewest) this.newCount = 0
    this.#drawLatest()
    if (this.isMember && this.copy && this.isWatched) this.#read()
  }

  #read() {
    const { seq, isLast } = this.timeline.seen()
    this.reading.saw(isLast && this.history.isNewest ? this.copy.cursor : seq)
  }

  #drawLatest() {
    const { newCount } = this
    this.latestTarget.hidden = this.history.isNewest && this.timeline.isAtEnd
    const words = newCount ? `${newCount} new ${newCount === 1 ? "message" : "messages"}` : "Newest messages"
    if (this.latestTextTarget.textContent !== words) this.latestTextTarget.textContent = words
  }

  // A stretch further back: the newest page is another one. Its end is where one writes, also when a New line is on it.
  goToEnd() {
    if (this.history.isNewest) this.timelineTarget.scrollTop = 0
    else goTo(`/rooms/${this.id}#text`, { action: location.search ? "advance" : "replace" })
  }

  #goToLatest(event) {
    event.preventDefault()
    this.goToEnd()
  }

  // A link to a message, or where reading stopped; otherwise the end.
  #goToPlace() {
    const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null
    if (target && this.columnTarget.contains(target)) this.timeline.show(target)
    else if (this.timeline.newLine && location.hash !== "#text") this.timeline.show(this.timeline.newLine)
  }

  // ---- others, and what is on its way

  drawTypists() {
    if (!this.hasTypingTarget) return
    const names = live.typists.in(this.id).map(nameOf).filter(Boolean)
    if (!names.length) return this.typingTarget.replaceChildren()
    const strong = names.slice(0, 2).map((name) => el("strong", {}, name))
    const who = names.length > 3 ? ["Several people"] : names.length === 3 ? [strong[0], ", ", strong[1], " and ", el("strong", {}, names[2])]
      : strong.length === 2 ? [strong[0], " and ", strong[1]] : strong
    const dots = el("span", { class: "typing-dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"))
    this.typingTarget.replaceChildren(dots, el("span", {}, ...who, names.length === 1 ? " is writing" : " are writing"))
  }

  drawPending() { this.pending.draw() }

  // I marked a message unread: the line stands before it, and nothing is read until I come again.
  markUnread(seq) {
    this.reading.pause()
    const first = this.timeline.items.find((item) => Number(item.dataset.seq) >= seq)
    if (first) this.timeline.change(() => this.timeline.placeNewLine(first))
  }
}
