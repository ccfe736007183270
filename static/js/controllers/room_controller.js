import { Controller } from "@hotwired/stimulus"
import { Announcer } from "parley/lib/announcer"
import { dress } from "parley/lib/dress"
import { moveEditor } from "parley/lib/editor"
import { History } from "parley/lib/history"
import { fragment } from "parley/lib/html"
import { live } from "parley/lib/live"
import { refresh } from "parley/lib/page"
import { nameOf } from "parley/lib/people_on_page"
import { Pending } from "parley/lib/pending"
import { Reader } from "parley/lib/reader"
import { MOST, Timeline } from "parley/lib/timeline"
import { drawTypists } from "parley/lib/typing_line"

// A room on screen: what the stream brings goes into the timeline, what is seen there is read.
export default class extends Controller {
  static targets = ["timeline", "column", "announce", "blank", "tools", "latest", "latestText", "typing"]

  connect() {
    const { roomId, member, moderator } = this.element.dataset
    this.id = Number(roomId)
    this.isMember = Boolean(member)
    this.isModerator = moderator === "true" || member === "owner"
    this.isClosed = false
    this.copy = live.session.room(this.id)
    this.timeline = new Timeline(this.timelineTarget, this.columnTarget)
    this.history = new History(this)
    this.pending = new Pending(this.timeline, this.blankTarget, this.id)
    this.announcer = new Announcer(this.announceTarget)
    this.reader = new Reader(this)
    live.room = this
    this.timeline.pending.forEach((copy) => copy.remove()) // of a page from the cache; the outbox knows which still wait
    dress(this.columnTarget, this)
    this.hold(this.timeline.items)
    this.timeline.arrange()
    this.pending.draw()
    this.reader.goToPlace()
    live.here()
    this.look()
  }

  disconnect() {
    this.isClosed = true
    this.reader.close()
    this.announcer.close()
    if (live.room === this) live.room = null
  }

  get title() { return this.element.getAttribute("aria-label") }
  look() { this.reader.look() }
  dress() { this.timeline.change(() => dress(this.columnTarget, this)) }
  goToEnd() { this.reader.goToEnd() }

  // ---- what the stream brings

  show(frame, isNew) {
    if (frame.event === "message") {
      this.timeline.change(() => this.#showMessage(frame, isNew))
      if (frame.change === "posted") this.#arrived(frame)
    } else if (frame.html) {
      this.timeline.change(() => this.#showLine(frame))
      // What this page offers is another matter now: the room is closed or open again, or I look after it or do not.
      const isOther = isNew && frame.role && frame.user.id === live.me && frame.role !== this.element.dataset.member
      if (isNew && ["archived", "restored", "slowed"].includes(frame.change) || isOther) refresh()
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
      this.copy?.hold(Number(dataset.id), { v: Number(dataset.v), author: Number(dataset.authorId), mentions, mentionsRoom: dataset.mentionsRoom === "true" })
    }
  }

  #showMessage(frame, isNew) {
    if (!isNew) return
    const { message } = frame
    if (!this.timeline.message(message.id) && !this.#isOnPage(message.seq)) this.history.miss(frame)
    this.place(frame)
    if (frame.change === "posted" && this.#isHeard(message)) this.#markNew(message)
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
    if (editor) moveEditor(editor, drawn)
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
    if (!shown || this.reader.isWatching && this.timeline.isAtEnd || !this.copy) return
    const hadReadAll = !newLine || Number(shown.previousElementSibling?.dataset?.seq) <= this.copy.position
    if (hadReadAll && message.seq > this.copy.position) this.timeline.placeNewLine(shown)
  }

  #arrived({ message }) {
    if (!this.#isHeard(message)) return
    this.reader.missed()
    if (!document.hidden) this.announcer.say(message.author.name, message.text)
  }

  // Written by somebody else, whom I want to hear.
  #isHeard({ author: { id } }) { return id !== live.me && !live.session.blocks.hides(id) }

  // ---- others, and what is on its way

  drawTypists() {
    if (this.hasTypingTarget) drawTypists(this.typingTarget, live.typists.in(this.id).map(nameOf).filter(Boolean))
  }

  drawPending() { this.pending.draw() }

  // I marked a message unread: the line stands before it, and nothing is read until I come again.
  markUnread(seq) {
    this.reader.reading.pause()
    const first = this.timeline.items.find((item) => Number(item.dataset.seq) >= seq)
    if (first) this.timeline.change(() => this.timeline.placeNewLine(first))
  }
}
