import { fragment } from "parley/lib/html"
import { dress } from "parley/lib/dress"
import { MOST } from "parley/lib/timeline"

// Older and newer stretches of a room, loaded as one scrolls. What changes in a stretch while it is under way is kept, so
// that an old copy never covers a newer one.
export class History {
  #loading = { older: false, newer: false }
  #missed = new Map()

  // room  the controller: {id, timeline, copy, element, isModerator, place(frame)}
  constructor(room) {
    this.room = room
    const { dataset } = room.element
    this.has = { older: dataset.hasOlder === "true", newer: dataset.hasNewer === "true" }
    room.timeline.isNewest = this.isNewest
  }

  get isNewest() { return !this.has.newer }

  // A frame about a message that is not on the page.
  miss(frame) {
    if (this.#loading.older || this.#loading.newer) this.#missed.set(frame.message.id, frame)
  }

  async load(side) {
    const { timeline } = this.room
    const edge = side === "older" ? timeline.first : timeline.last
    if (this.#loading[side] || !this.has[side] || !edge) return
    this.#loading[side] = true
    try {
      const answer = await this.#fetch(side, edge.dataset.seq)
      if (this.room.isClosed) return
      timeline.change(() => this.#insert(side, answer))
    } catch {
      return // Offline: the next scroll asks again.
    } finally {
      this.#loading[side] = false
      if (!this.#loading.older && !this.#loading.newer) this.#missed.clear()
    }
    this.room.look() // the edge may still be near
  }

  // Fewer in the document: those furthest from the reader go.
  trim(side, most = MOST) {
    const gone = this.room.timeline.trim(side, most)
    if (!gone.length) return
    gone.forEach((item) => this.room.copy?.drop(Number(item.dataset.id)))
    this.#set(side, true)
  }

  async #fetch(side, seq) {
    const answer = await fetch(`/rooms/${this.room.id}/timeline?${side === "older" ? "before" : "after"}=${seq}`, { headers: { Accept: "text/html" } })
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`)
    const hasMore = answer.headers.get(side === "older" ? "X-Has-Older" : "X-Has-Newer") === "true"
    return { stretch: fragment(await answer.text()), hasMore }
  }

  #insert(side, { stretch, hasMore }) {
    const { room } = this
    dress(stretch, room)
    const found = room.timeline.insertAll(stretch)
    room.hold(found)
    if (!hasMore || !found.some((item) => item.dataset.id)) this.#set(side, false)
    for (const frame of [...this.#missed.values()].sort((a, b) => a.message.seq - b.message.seq)) room.place(frame)
    this.trim(side === "older" ? "newer" : "older")
  }

  #set(side, has) {
    this.has[side] = has
    const { dataset } = this.room.element
    dataset[side === "older" ? "hasOlder" : "hasNewer"] = has
    dataset.newest = this.room.timeline.isNewest = this.isNewest
    const { column } = this.room.timeline
    const link = column.querySelector(side === "older" ? "[rel=prev]" : "[rel=next]")
    if (link) link.parentElement.hidden = !has
    const beginning = column.querySelector(":scope > .empty")
    if (beginning) beginning.hidden = this.has.older
  }
}
