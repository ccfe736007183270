import { el } from "parley/lib/element"
import { localise } from "parley/lib/time"
import { live } from "parley/lib/live"

const LINGERS = 3000

// The copies of messages that are not stored yet, at the end of the timeline, made from the server's own blank message.
export class Pending {
  #going = new Map()

  constructor(timeline, blank, room) { Object.assign(this, { timeline, blank, room }) }

  draw() {
    const items = live.outbox.of(this.room).filter((item) => !this.#isStored(item.key))
    let previous = null
    for (const item of items) {
      const copy = this.timeline.copyOf(item.key) ?? this.#add(item)
      this.#dress(copy, item)
      clearTimeout(this.#going.get(item.key))
      if (previous && previous.compareDocumentPosition(copy) & Node.DOCUMENT_POSITION_PRECEDING) previous.after(copy)
      previous = copy
    }
    const keys = new Set(items.map((item) => item.key))
    for (const copy of this.timeline.pending) if (!keys.has(copy.dataset.key)) this.#letGo(copy)
  }

  // Sent: the frame that brings the stored message takes its place, sooner or later.
  #letGo(copy) {
    const { key } = copy.dataset
    clearTimeout(this.#going.get(key))
    if (copy.matches(".message--failed")) return this.timeline.change(() => copy.remove())
    this.#going.set(key, setTimeout(() => this.timeline.change(() => copy.remove()), LINGERS))
  }

  #isStored(key) { return this.timeline.column.querySelector(`:scope > [data-id][data-key="${CSS.escape(key)}"]`) !== null }

  #add(item) {
    const copy = this.blank.content.firstElementChild.cloneNode(true)
    Object.assign(copy.dataset, { key: item.key, createdAt: new Date(item.at).toISOString() })
    copy.querySelector("time").dateTime = copy.dataset.createdAt
    copy.querySelector(".message__body").replaceChildren(...paragraphs(item.text))
    localise(copy)
    const { column, pending, last } = this.timeline
    const after = pending.at(-1) ?? last
    if (after) after.after(copy)
    else column.append(copy)
    this.timeline.arrange()
    return copy
  }

  #dress(copy, item) {
    const isOld = live.outbox.isOld(item)
    const isFailed = item.state === "failed" || isOld
    copy.classList.toggle("message--failed", isFailed)
    copy.classList.toggle("message--pending", !isFailed)
    const reason = isOld && item.state !== "failed" ? "Not sent for more than a day." : `Not sent. ${item.reason ?? ""}`
    if (isFailed) copy.querySelector(".message__reason").textContent = reason
    copy.querySelector(".message__state > span").textContent = live.connection.isOnline ? "Sending…" : "Waits for a connection"
  }
}

// Text as typed; how it will look in the end is for the server to say.
function paragraphs(text) {
  return text.split(/\n{2,}/).map((part) => el("p", {}, ...part.split("\n").flatMap((line, i) => (i ? [el("br"), line] : [line]))))
}
