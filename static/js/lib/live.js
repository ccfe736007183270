import { Outbox } from "parley/models/outbox"
import { isLost, Refusals } from "parley/models/refusals"
import { Resets } from "parley/models/resets"
import { Session } from "parley/models/session"
import { Present, Typists } from "parley/models/presence"
import { copy } from "parley/lib/clipboard"
import { Connection } from "parley/lib/connection"
import { locked } from "parley/lib/locks"
import { memory } from "parley/lib/memory"
import { OutboxStore } from "parley/lib/outbox_store"
import { redrawCommunity } from "parley/lib/community_on_page"
import { redrawEveryPresence, redrawPerson, redrawPresence } from "parley/lib/people_on_page"
import { forgetPages, goTo, readPlace, refresh, restart, signIn } from "parley/lib/page"
import { fragment, page as parsePage } from "parley/lib/html"
import { resizeRoom } from "parley/lib/room_on_page"
import { toast } from "parley/lib/toast"

const HERE_EVERY = 15_000
const LATER = 5000
const REFUSED_FOR = 30_000

// Joins the models to one another and to whatever is on screen. One for the life of the tab; pages come and go, and their
// controllers put themselves in as `room`, `sidebar` and `bar`.
class Live {
  room = null
  sidebar = null
  bar = null
  isStuck = false
  #me = null
  #refusals = new Refusals()
  #loading = new Set()

  constructor() {
    this.connection = new Connection({
      connected: () => { this.session.connected(); this.outbox.connected() },
      disconnected: () => { this.session.disconnected(); this.outbox.disconnected(); this.typists.clear() },
      event: (name, payload) => this.session.receive(name, payload),
      presenceConnected: () => this.present.arrived(this.here()),
      presence: (name, payload) => this.#receivePresence(name, payload),
      pinged: () => this.here(),
      refused: () => this.#refused(),
      rights: () => restart(), // whatever is on screen, and in memory, was for somebody who might do other things
      state: () => { this.bar?.draw(); this.room?.drawPending() },
    })
    this.session = new Session({
      request: (payload) => this.connection.ask("resume", payload),
      resets: new Resets({ memory: momentsKept("resets") }),
      view: {
        show: (copy, frame, isNew) => this.#show(copy, frame, isNew),
        counted: (copy) => this.sidebar?.draw(copy),
        sized: resizeRoom,
        moved: (name, cursor) => this.#moved(name, cursor),
        person: (person) => redrawPerson(person),
        site: (site) => redrawCommunity(site),
        blocked: () => this.room?.dress(),
        place: (room) => this.#place(room),
        load: (room) => this.#load(room),
        forget: (room) => this.#forget(room),
        reload: () => restart(3000),
        stuck: () => { this.isStuck = true; this.bar?.draw() },
        refused: () => this.#refused(),
        status: () => this.bar?.draw(),
      },
    })
    this.present = new Present({ changed: redrawPresence, all: redrawEveryPresence })
    this.typists = new Typists({ changed: (room) => this.room?.id === room && this.room.drawTypists() })
    const channel = new BroadcastChannel("parley-outbox")
    this.outbox = new Outbox({
      store: new OutboxStore(),
      send: ({ room, text, key }) => this.connection.ask("message", { room, text, key }),
      lock: (work) => locked("parley-outbox", work),
      announce: () => channel.postMessage("look"),
      view: { changed: () => { this.room?.drawPending(); this.#tellRefusals() }, sent: () => {}, refused: () => this.#refused() },
    })
    channel.onmessage = () => this.outbox.look().then(() => this.outbox.flush())
    setInterval(() => this.here(), HERE_EVERY)
    document.addEventListener("turbo:load", () => this.#tellRefusals(true))
    // Turbo loads what the pointer rests on; while nobody answers that only fails. And when a page cannot be loaded, the
    // one that is on screen, which still takes messages, is better than the browser's own.
    addEventListener("turbo:before-prefetch", (event) => { if (!this.connection.isOnline) event.preventDefault() })
    addEventListener("turbo:fetch-request-error", (event) => {
      event.preventDefault()
      if (!event.detail.request.headers["X-Sec-Purpose"]) toast("The server cannot be reached at the moment.", { isDanger: true })
    })
    for (const event of ["visibilitychange", "focus", "blur"]) addEventListener(event, () => this.here(), true)
  }

  get me() { return this.#me }

  // A page is on screen. Its cursors, and not what was on screen before, say what it has seen.
  adopt(page) {
    const isAnother = this.#me !== page.me
    if (isAnother) this.connection.close()
    this.#me = page.me
    this.#loading.clear()
    this.isStuck = false
    this.session.adopt(page)
    this.present.redraw()
    if (isAnother) this.outbox.open(page.me)
    this.connection.open()
  }

  // Nobody is signed in on the page that is on screen.
  leave() {
    this.#me = null
    this.connection.close()
  }

  // Which room of mine is on screen, and whether somebody looks at it. A lease: renewed at half time, also by the server's pings,
  // since browsers slow the clocks of hidden tabs.
  here() {
    return this.connection.tell("here", { active: !document.hidden, room: this.room?.isMember ? this.room.id : null })
  }

  #receivePresence(name, { room, user, on, state }) {
    if (name === "presence") return this.present.set(user, state)
    if (user !== this.#me && !this.session.blocks.hides(user)) this.typists.set(room, user, on)
  }

  #show(copy, frame, isNew) {
    if (frame.event === "room" && isNew) this.sidebar?.redraw(frame.room)
    if (this.room?.id !== copy.id) return
    if (frame.event === "message" && frame.change === "posted") this.typists.set(copy.id, frame.message.author.id, false)
    this.room.show(frame, isNew)
  }

  // The page carries the cursor of what it shows, also into Turbo's snapshots of it.
  #moved(name, cursor) {
    if (name === "site") return this.sidebar?.follow("siteCursor", cursor)
    if (name.startsWith("user:")) return this.sidebar?.follow("userCursor", cursor)
    for (const element of document.querySelectorAll(`[data-stream="${name}"]`)) element.dataset.cursor = cursor
  }

  // Start a room afresh: the page when it is on screen, else its place in the sidebar, from the first page at hand.
  #load(room) {
    if (this.room?.id === room) return refresh()
    this.#loading.add(room)
    if (!this.isLoadingPlaces) this.#loadPlaces()
  }

  #place({ id, html }) {
    this.#loading.delete(id)
    const item = fragment(html).querySelector("li")
    this.sidebar?.add(item)
    return readPlace(item.querySelector(".place"))
  }

  // A page answers for those rooms that were wanted before it was asked for.
  async #loadPlaces() {
    this.isLoadingPlaces = true
    while (this.#loading.size) {
      await pause(Math.random() * 200)
      const rooms = [...this.#loading]
      const answer = await fetch("/", { headers: { Accept: "text/html" } }).catch(() => null)
      if (answer?.ok) this.#drawPlaces(rooms, parsePage(await answer.text()))
      else await pause(LATER)
    }
    this.isLoadingPlaces = false
  }

  #drawPlaces(rooms, document) {
    for (const id of rooms) {
      const place = document.querySelector(`.place[data-room-id="${id}"]`)
      if (!this.#loading.delete(id) || !this.sidebar) continue // a whole page came first, or we were removed
      this.sidebar.remove(id)
      if (!place) continue
      this.sidebar.add(place.closest("li"))
      this.session.add(readPlace(place))
    }
  }

  // I am not in that room any more, and no page of it may come back from a cache.
  #forget(room) {
    forgetPages()
    this.#loading.delete(room)
    this.sidebar?.remove(room)
    if (this.room?.id !== room || this.room.isLeft) return
    this.room.isLeft = true // told twice, by my own stream and by the room's
    const words = `You are no longer in ${this.room.title}.`
    document.addEventListener("turbo:load", () => toast(words), { once: true }) // on the page that follows, or nobody could read it
    goTo("/", { action: "replace" })
  }

  // What was refused shows in its room. Elsewhere one is led there, or may take the text along.
  #tellRefusals(isNewPage) {
    const mine = this.outbox.items.filter(({ user }) => user === this.#me)
    for (const item of this.#refusals.news(mine, { room: this.room?.id, isNewPage })) {
      const { key, room, text, reason } = item
      const way = isLost(item)
        ? { words: "Copy and discard", go: async () => { await copy(text); this.outbox.discard(key) } }
        : { words: "Show", go: () => goTo(`/rooms/${room}`) }
      toast(`Not sent: “${text.length > 60 ? `${text.slice(0, 60)}…` : text}” ${reason}`, { isDanger: true, key, way })
    }
  }

  // Somebody has to sign in, unless pages are still served to them: then it is this page's address that is not accepted.
  async #refused() {
    const answer = await fetch("/people", { redirect: "manual" }).catch(() => null)
    if (answer && !answer.ok && this.session.resets.allow()) return signIn()
    this.connection.close()
    setTimeout(() => { if (this.#me) this.connection.open() }, REFUSED_FOR)
    this.isStuck = Boolean(answer && !answer.ok)
    this.bar?.draw()
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

// Counted over reloads, which is what resets are about.
function momentsKept(name) {
  return {
    load: () => JSON.parse(memory.load(name) ?? "[]"),
    save: (list) => memory.save(name, JSON.stringify(list)),
  }
}

export const live = new Live()
