import { el } from "parley/lib/element"
import { dayOf, dayWords } from "parley/lib/time"

const GROUPED = 5 * 60 * 1000
const NEAR = 48 // pixels from the end that still count as being there
export const MOST = 300

// The column of a room: items in the order of their numbers, with days between them and groups of one author. Whatever
// changes, the reader's place does not: at the end one stays at the end, elsewhere what one reads stays where it is.
export class Timeline {
  isNewest = true // nothing follows what is on the page

  constructor(scroller, column) {
    Object.assign(this, { scroller, column })
    scroller.style.overflowAnchor = "none" // we hold the place ourselves
  }

  get items() { return [...this.column.querySelectorAll(":scope > [data-seq]")] }
  get first() { return this.column.querySelector(":scope > [data-seq]") }
  get last() { return this.items.at(-1) }
  get pending() { return [...this.column.querySelectorAll(":scope > .message--pending, :scope > .message--failed")] }
  get newLine() { return this.column.querySelector(":scope > .separator--new") }
  get isAtEnd() { return Math.abs(this.scroller.scrollTop) < NEAR }

  message(id) { return this.column.querySelector(`:scope > [data-id="${id}"]`) }
  line(seq) { return this.column.querySelector(`:scope > .event[data-seq="${seq}"]`) }
  copyOf(key) { return this.pending.find((copy) => copy.dataset.key === key) }

  // Change the column without moving what is being read. The end of a stretch further back is a place like any other.
  change(work) {
    const wasAtEnd = this.isAtEnd && this.isNewest
    const anchor = wasAtEnd ? null : this.#anchor()
    const top = anchor?.getBoundingClientRect().top
    work()
    this.arrange()
    if (wasAtEnd) this.scroller.scrollTop = 0
    else if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - top
  }

  // Put an item in its place by its number.
  insert(element) {
    const seq = Number(element.dataset.seq)
    const { items } = this
    let at = items.length
    while (at > 0 && Number(items[at - 1].dataset.seq) > seq) at--
    if (at > 0) items[at - 1].after(element)
    else if (items.length) this.#headOf(items[0]).before(element)
    else this.column.insertBefore(element, this.pending[0] ?? this.column.querySelector(":scope > :has([rel=next])"))
  }

  // An older or newer stretch; what it repeats is left out. Returns the messages that are new on the page.
  insertAll(fragment) {
    const found = [...fragment.children].filter((child) => child.dataset.seq && !(child.dataset.id ? this.message(child.dataset.id) : this.line(child.dataset.seq)))
    found.forEach((child) => this.insert(child))
    return found
  }

  placeNewLine(before) {
    const line = this.newLine ?? el("p", { class: "separator separator--new", id: "new" }, el("span", {}, "New"))
    before.before(line)
  }

  // Days between, groups within. Cheap enough to do for the whole column after each change.
  arrange() {
    const days = new Map([...this.column.querySelectorAll(":scope > [data-day]")].map((day) => [day.dataset.day, day]))
    let today = null
    let previous = null
    for (const item of this.column.querySelectorAll(":scope > :is([data-seq], [data-key])")) {
      const moment = momentOf(item)
      const day = moment ? dayOf(moment) : today
      const isNewDay = day !== today
      if (isNewDay) {
        this.#putDay(days.get(day) ?? makeDay(day, moment), this.#headOf(item, days))
        days.delete(day)
        today = day
      }
      const isAlone = isNewDay || item.previousElementSibling !== previous
      item.classList.toggle("message--grouped", !isAlone && isGrouped(previous, item))
      previous = item
    }
    days.forEach((day) => day.remove())
  }

  // Bring an element into view, unless it is there already.
  show(element) {
    const window = this.scroller.getBoundingClientRect()
    const { top, bottom } = element.getBoundingClientRect()
    if (top < window.top || bottom > window.bottom) this.scroller.scrollTop += top - window.top - window.height / 3
  }

  // At most about 300 messages are in the document: what is furthest from the reader goes. Returns what went.
  trim(side, most = MOST) {
    const { items } = this
    const extra = items.length - most
    if (extra <= 0) return []
    const gone = side === "older" ? items.slice(0, extra) : items.slice(-extra)
    gone.forEach((item) => item.remove())
    return gone
  }

  // The number up to which everything above the lower edge was on screen.
  seen() {
    const { bottom } = this.scroller.getBoundingClientRect()
    const { items } = this
    for (let i = items.length - 1; i >= 0; i--) {
      if (items[i].getBoundingClientRect().bottom <= bottom + 2) return { seq: Number(items[i].dataset.seq), isLast: i === items.length - 1 }
    }
    return { seq: 0, isLast: false }
  }

  #anchor() {
    const { top } = this.scroller.getBoundingClientRect()
    return this.items.find((item) => item.getBoundingClientRect().bottom > top + 8)
  }

  // An item, or the lines right before it that belong to it.
  #headOf(item) {
    let head = item
    while (head.previousElementSibling?.matches(".separator")) head = head.previousElementSibling
    return head
  }

  #putDay(day, before) {
    if (before !== day && before.previousElementSibling !== day) before.before(day)
  }
}

function momentOf(item) {
  const text = item.dataset.createdAt || item.querySelector("time")?.dateTime
  const moment = text ? new Date(text) : null
  return moment && !isNaN(moment) ? moment : null
}

function makeDay(day, moment) {
  return el("h2", { class: "separator", "data-day": day }, el("time", { datetime: day, "data-format": "day" }, dayWords(moment)))
}

function isGrouped(previous, item) {
  return previous !== null
    && [previous, item].every((each) => each.matches(".message:not(.message--deleted)"))
    && previous.dataset.authorId === item.dataset.authorId
    && momentOf(item) - momentOf(previous) < GROUPED
}
