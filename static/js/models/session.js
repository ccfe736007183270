import { Backoff } from "parley/models/backoff"
import { Blocks } from "parley/models/blocks"
import { CLOCK } from "parley/models/clock"
import { People } from "parley/models/people"
import { Positions } from "parley/models/positions"
import { Resets } from "parley/models/resets"
import { RoomCopy } from "parley/models/room_copy"
import { Stream } from "parley/models/stream"

const MOST_NAMES = 500 // in one request

// All streams of the page together. It asks for what is missing, takes the answers, and decides what must be loaded anew.
// The rules are those of docs/protocol.md, "the client rule"; tests/js/session.test.js has one test for each.
//
// A page brings its own cursors (`adopt`); a connection only tells how far the streams are. Both come and go by
// themselves, so every question remembers which copy it was about: an answer about a copy dropped since is ignored.
export class Session {
  #copies = new Map()
  #heads = new Map() // the highest number of each stream that this connection has told us of
  #asked = new Map() // stream name → the request that is out
  #wanted = new Set()
  #wantsAll = false
  #loading = new Set() // rooms to be drawn afresh; a page that comes may be older than the reason for it
  #siteV = 0 // of the newest settings seen; a page restored from a cache shows older ones until their frame comes again
  #isFlushing = false
  #isReloading = false // one change may be told more than once before the new page is here
  #pauses = 0 // questions that wait to be asked again
  #connection = 0 // 0 while there is none
  #connections = 0
  #backoff

  // request(payload) → promise of the acknowledgement of `resume`, or null when there was none
  // view   {show, counted, sized, moved, person, blocked(), place(room), load(room), forget(room), reload(reason), stuck(), refused(), status(isCatchingUp)}
  constructor({ request, view, resets = new Resets(), clock = CLOCK, random = Math.random }) {
    Object.assign(this, { request, view, resets, clock, positions: new Positions(), people: new People(), blocks: new Blocks() })
    this.#backoff = new Backoff({ random })
  }

  get isCatchingUp() { return this.#connection > 0 && (this.#asked.size > 0 || this.#wanted.size > 0 || this.#wantsAll || this.#pauses > 0) }
  get rooms() { return [...this.#copies.values()].filter((copy) => copy instanceof RoomCopy) }
  room(id) { return this.#copies.get(`room:${id}`) }

  // ---- the page

  // A page is on screen, new, restored or a preview: everything is as its own snapshot says, however old that is.
  // page  {epoch, me, user: {name, cursor}, site: cursor, rooms: [{id, cursor, position, v, unread, mentions}]}; `v` is that of the position
  adopt(page) {
    const isAsking = this.isCatchingUp
    const loading = new Set(this.#loading)
    for (const copy of this.#copies.values()) copy.stream.close()
    this.#isReloading = false
    Object.assign(this, { epoch: page.epoch, me: page.me, positions: new Positions() })
    this.blocks.take(page.blocks)
    this.#copies.clear()
    this.#asked.clear()
    this.#wanted.clear()
    this.#follow(page.user.name, page.user.cursor, (frame) => this.#applyMine(frame))
    this.#follow("site", page.site, (frame) => this.#applySite(frame))
    for (const room of page.rooms) this.#add(room)
    if (this.#serverEpoch && this.#connection && this.#serverEpoch !== this.epoch) this.#reload("epoch")
    if (isAsking) this.#wantsAll = true // the answer under way is about the page before this one
    for (const [name, copy] of this.#copies) if (isAsking || loading.has(name) || copy.stream.isBehind) this.#ask(name)
    this.#loading.clear()
    this.#tell()
  }

  // A room was loaded by itself, perhaps from a page that was read before we knew that we needed it: ask what follows.
  add(room) {
    if (!this.#copies.has(`room:${room.id}`)) this.#ask(this.#add(room).name)
  }

  #add(room) {
    const name = `room:${room.id}`
    const copy = new RoomCopy(room, {
      me: this.me, positions: this.positions, people: this.people, blocks: this.blocks, view: this.view,
      ask: () => this.#ask(name), reload: () => this.#load(name),
    })
    this.#drop(name)
    this.#loading.delete(name)
    this.#copies.set(name, copy)
    copy.stream.know(this.#heads.get(name) ?? 0)
    this.positions.take(room.id, { seq: room.position, v: room.v })
    if (this.positions.of(room.id).v > room.v) copy.isStale = true // counted from an older position
    return copy
  }

  #follow(name, cursor, apply) {
    const stream = new Stream(cursor, {
      apply: (frame) => { apply(frame); this.view.moved(name, frame.seq) },
      ask: () => this.#ask(name),
    })
    stream.know(this.#heads.get(name) ?? 0)
    this.#copies.set(name, { name, stream })
  }

  #drop(name) {
    this.#copies.get(name)?.stream.close()
    this.#copies.delete(name)
    this.#asked.delete(name) // an answer still under way belongs to the copy just dropped
    this.#wanted.delete(name)
  }

  // ---- the connection

  #serverEpoch = null

  connected() {
    this.#connection = ++this.#connections
    this.#wantsAll = true
    for (const name of this.#copies.keys()) this.#wanted.add(name)
    this.#flush()
    this.#tell()
  }

  disconnected() {
    this.#connection = 0
    this.#serverEpoch = null
    this.#heads.clear()
    this.#asked.clear()
    this.#wanted.clear()
    this.#wantsAll = false
    this.#pauses = 0
    for (const copy of this.#copies.values()) copy.stream.disconnected()
    this.#tell()
  }

  receive(event, payload) {
    if (event === "hello") return this.#receiveHello(payload)
    const name = payload.stream
    if (event === "reset") return name === "*" ? this.#reload("reset") : this.#reset(name)
    if (event === "gone") return this.#forget(name)
    if (event === "subscribed") return this.#receiveSubscribed(name, payload.head)
    this.#hear(name, payload.seq)
    this.#copies.get(name)?.stream.receive({ ...payload, event })
  }

  #receiveHello({ epoch, user, streams = {} }) {
    this.#serverEpoch = epoch
    const id = user?.id ?? user
    if (epoch !== this.epoch) return this.#reload("epoch")
    if (this.me && id !== undefined && id !== this.me) return this.#reload("person")
    for (const [name, head] of Object.entries(streams)) this.#hear(name, head)
  }

  #receiveSubscribed(name, head) {
    this.#hear(name, head)
    const copy = this.#copies.get(name)
    if (!copy || copy.stream.cursor < head) this.#ask(name)
  }

  #hear(name, number) {
    if (number > (this.#heads.get(name) ?? 0)) this.#heads.set(name, number)
    this.#copies.get(name)?.stream.know(number)
  }

  // ---- asking

  #ask(name) {
    if (!this.#connection || this.#asked.has(name)) return
    this.#wanted.add(name)
    if (this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => { this.#isFlushing = false; this.#flush(); this.#tell() })
  }

  async #flush() {
    const names = [...this.#wanted].filter((name) => !this.#asked.has(name)).slice(0, MOST_NAMES)
    if (!this.#connection || !names.length && !this.#wantsAll) return
    const request = { connection: this.#connection, all: this.#wantsAll, about: new Map() }
    const streams = {}
    for (const name of names) {
      request.about.set(name, this.#copies.get(name))
      this.#asked.set(name, request)
      streams[name] = this.#copies.get(name)?.stream.cursor ?? null
      this.#wanted.delete(name)
    }
    this.#wantsAll = false
    const answer = await this.request({ epoch: this.epoch, streams, ...(request.all && { all: true }) })
    if (request.connection !== this.#connection) return
    if (answer?.ok) this.#receiveAnswer(request, answer)
    else this.#askAgain(request, answer)
    if (this.#wanted.size) this.#flush()
    this.#tell()
  }

  #askAgain(request, answer) {
    const names = this.#settle(request)
    if (answer?.code === "unauthorized") return this.view.refused()
    const pause = answer?.retry_after ? answer.retry_after * 1000 : this.#backoff.next()
    this.#later(pause, () => {
      this.#wantsAll ||= request.all
      for (const name of names) if (this.#copies.get(name) === request.about.get(name)) this.#wanted.add(name)
      this.#flush()
    })
  }

  // The request is not out any more. Returns the names whose copies it was about and which are still there.
  #settle(request) {
    return [...request.about.keys()].filter((name) => {
      const isOurs = this.#asked.get(name) === request
      if (isOurs) this.#asked.delete(name)
      return isOurs && this.#copies.get(name) === request.about.get(name)
    })
  }

  // ---- answers

  #receiveAnswer(request, { epoch, streams }) {
    const current = new Set(this.#settle(request))
    this.#backoff.reset()
    if (epoch !== this.epoch || streams["*"]?.reset) return this.#reload("epoch")
    for (const [name, part] of Object.entries(streams)) {
      const copy = this.#copies.get(name) // an earlier part may have replaced it
      if (request.about.has(name) ? current.has(name) && copy === request.about.get(name) : !copy) this.#receivePart(name, part)
      if (this.#connection !== request.connection) return
    }
  }

  #receivePart(name, part) {
    const copy = this.#copies.get(name)
    if (part.gone) return this.#forget(name)
    if (part.reset) return this.#reset(name)
    this.#hear(name, part.head ?? 0)
    if (!copy) return this.#load(name)
    const before = copy.stream.cursor
    for (const [event, payload] of part.frames) {
      this.receive(event, payload)
      if (this.#copies.get(name) !== copy) return // dropped by what it was told
    }
    const { cursor } = copy.stream
    if (copy.stream.isBehind || part.more && cursor === part.upto) {
      if (cursor > before) this.#ask(name)
      else this.#askLater(copy) // a promise that was not kept; not at full speed
    } else if (copy instanceof RoomCopy) {
      if (cursor === part.upto && part.unread !== undefined) copy.take(part)
      else if (copy.isStale) this.#ask(name)
    }
  }

  #askLater(copy) {
    this.#later(this.#backoff.next(), () => {
      if (this.#copies.get(copy.name) === copy && copy.stream.isBehind) this.#ask(copy.name)
    })
  }

  // After a pause, if the connection is still the same.
  #later(pause, work) {
    const connection = this.#connection
    this.#pauses++
    this.clock.later(() => {
      if (connection !== this.#connection) return
      this.#pauses--
      work()
      this.#tell()
    }, pause)
  }

  // ---- starting afresh

  #reset(name) {
    if (!name.startsWith("room:")) return this.#reload("reset")
    if (this.resets.allow()) return this.#load(name)
    this.#drop(name)
    this.view.stuck()
  }

  #load(name) {
    this.#drop(name)
    if (!name.startsWith("room:")) return this.#reload("reset")
    this.#loading.add(name)
    this.view.load(Number(name.slice(5)))
  }

  #forget(name) {
    this.#drop(name)
    this.#loading.delete(name)
    if (name.startsWith("room:")) this.view.forget(Number(name.slice(5)))
  }

  #reload(reason) {
    if (this.#isReloading) return
    this.#isReloading = true
    if (this.resets.allow()) this.view.reload(reason)
    else this.view.stuck()
  }

  // ---- my own stream, and the community's

  #applyMine(frame) {
    if (frame.event !== "me") return
    const { change } = frame
    if (change === "room_added" || change === "room_removed") this.#applyMembership(frame.room)
    else if (change === "read") this.#applyRead(frame)
    else if (change === "blocks") this.#applyBlocks(frame)
  }

  // A new place comes as it is drawn in the sidebar, with the numbers it was counted at, and asks what follows them.
  #applyMembership(room) {
    const name = `room:${room.id}`
    if (!room.member) return this.#forget(name)
    if (this.#copies.has(name)) return
    const place = room.html && this.view.place(room)
    if (place) this.add(place)
    else this.#ask(name)
  }

  #applyRead(frame) {
    const isNewer = this.positions.take(frame.room, { seq: frame.position, v: frame.v })
    const copy = this.room(frame.room)
    if (copy && isNewer) copy.moved(frame)
  }

  // What counts is another matter now, in every room, and so is what is drawn.
  #applyBlocks({ blocks }) {
    this.blocks.take(blocks)
    this.rooms.forEach((copy) => copy.countAnew())
    this.view.blocked()
  }

  #applySite(frame) {
    const person = frame.person ?? frame.user
    if (frame.event === "site" && person && this.people.take(person)) this.view.person(person)
    if (frame.event === "site" && frame.site && frame.site.v >= this.#siteV) {
      this.#siteV = frame.site.v
      this.view.site(frame.site)
    }
  }

  #tell() { this.view.status(this.isCatchingUp) }
}
