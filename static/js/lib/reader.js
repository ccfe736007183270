import { Reading } from "parley/models/reading"
import { live } from "parley/lib/live"
import { goTo } from "parley/lib/page"

const NEAR_EDGE = 800 // pixels before an edge at which the next stretch is asked for
const AT_REST = 200 // the same for older messages while the reader is at the end: most people never look back

// Where the person is in the timeline: what comes next is loaded ahead of them, what they saw is read, and a button leads
// to the newest.
export class Reader {
  #newCount = 0
  #abort = new AbortController()

  // room  the controller: {id, timeline, history, copy, isMember, …Target}
  constructor(room) {
    this.room = room
    this.reading = new Reading({
      position: () => room.copy?.position ?? 0,
      send: (seq) => live.connection.ask("read", { room: room.id, seq }),
    })
    this.#listen()
  }

  close() {
    this.#abort.abort()
    this.reading.flush()
    this.reading.close()
  }

  // Turbo shows the page as it was, at its end, until the one with the New line is here: nobody reads in that moment.
  get isWatching() { return !document.hidden && document.hasFocus() && !document.documentElement.hasAttribute("data-turbo-preview") }
  get isAtNewest() { return this.room.timeline.isAtEnd && this.room.history.isNewest }

  // Something moved: load what comes next, take note of what was seen, offer the way to the newest.
  look() {
    const { history, timeline, timelineTarget: { scrollTop, scrollHeight, clientHeight } } = this.room
    const fromEnd = Math.abs(scrollTop)
    if (scrollHeight - clientHeight - fromEnd < (timeline.isAtEnd ? AT_REST : NEAR_EDGE)) history.load("older")
    if (fromEnd < NEAR_EDGE) history.load("newer")
    if (this.isAtNewest) this.#newCount = 0
    this.#drawLatest()
    if (this.room.isMember && this.room.copy && this.isWatching) this.#read()
  }

  missed() {
    if (!this.isAtNewest) this.#newCount++
  }

  // A stretch further back: the newest page is another one. Its end is where one writes, also when a New line is on it.
  goToEnd() {
    if (this.room.history.isNewest) this.room.timelineTarget.scrollTop = 0
    else goTo(`/rooms/${this.room.id}#text`, { action: location.search ? "advance" : "replace" })
  }

  // A link to a message, or where reading stopped; otherwise the end.
  goToPlace() {
    const { timeline } = this.room
    const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null
    if (target && timeline.column.contains(target)) timeline.show(target)
    else if (timeline.newLine && location.hash !== "#text") timeline.show(timeline.newLine)
  }

  #read() {
    const { seq, isLast } = this.room.timeline.seen()
    this.reading.saw(isLast && this.room.history.isNewest ? this.room.copy.cursor : seq)
  }

  #drawLatest() {
    const { latestTarget, latestTextTarget } = this.room
    const count = this.#newCount
    latestTarget.hidden = this.isAtNewest
    const words = count ? `${count} new ${count === 1 ? "message" : "messages"}` : "Newest messages"
    if (latestTextTarget.textContent !== words) latestTextTarget.textContent = words
  }

  #listen() {
    const { signal } = this.#abort
    const options = { signal, passive: true }
    let isAsked = false
    const soon = () => {
      if (isAsked) return
      isAsked = true
      requestAnimationFrame(() => { isAsked = false; if (!signal.aborted) this.look() })
    }
    this.room.timelineTarget.addEventListener("scroll", soon, options)
    addEventListener("focus", soon, options)
    addEventListener("resize", soon, options)
    document.addEventListener("visibilitychange", soon, options)
    this.room.latestTarget.addEventListener("click", (event) => { event.preventDefault(); this.goToEnd() }, { signal })
  }
}
