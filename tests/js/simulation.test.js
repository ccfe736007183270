import { Clock, settled } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Session } = await import("parley/models/session")
const { Resets } = await import("parley/models/resets")

// A small server with a numbered log, a screen that knows only what the session lets through, and a line between them
// that delays, loses and breaks. Whatever happened, at the end the screen is a fresh page. PROGRAMS=5000 looks longer.

const PROGRAMS = Number(process.env.PROGRAMS ?? 1200)
const STEPS = 90
const ME = 1
const ROOMS = [1, 2, 3]
const PAGE = 3
const TOO_MANY = 9

function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

class Server {
  epoch = "e1"
  streams = new Map(["user:1", "site", ...ROOMS.map((id) => `room:${id}`)].map((name) => [name, { head: 0, floor: 0, entries: [], built: [] }]))
  messages = new Map()
  members = new Map(ROOMS.map((id) => [id, { role: null, v: 0, joined: 0 }]))
  positions = new Map(ROOMS.map((id) => [id, { seq: 0, v: 0 }]))
  bob = { id: 2, name: "Bob 0", v: 0 }

  log(name, entry) {
    const stream = this.streams.get(name)
    const seq = ++stream.head
    stream.entries.push({ ...entry, seq })
    return seq
  }

  // As the transaction hands them over: with the content of that moment, however late they are sent.
  commit() {
    for (const [name, { entries, built }] of this.streams) {
      for (const entry of entries.slice(built.length)) built.push(this.frame(name, entry))
    }
  }

  head(name) { return this.streams.get(name).head }

  post(room, author, mentions) {
    const id = this.messages.size + 1
    const message = { id, room, author, text: 0, mentions: mentions ? [ME] : [], deleted_at: null }
    this.messages.set(id, message)
    message.seq = message.v = this.log(`room:${room}`, { event: "message", change: "posted", id })
  }

  edit(message, mentions) {
    Object.assign(message, { text: message.text + 1, mentions: mentions ? [ME] : [] })
    message.v = this.log(`room:${message.room}`, { event: "message", change: "edited", id: message.id })
  }

  delete(message) {
    Object.assign(message, { text: null, mentions: [], deleted_at: "now" })
    message.v = this.log(`room:${message.room}`, { event: "message", change: "deleted", id: message.id })
  }

  setMember(room, role) {
    const member = this.members.get(room)
    member.role = role
    member.v = this.log(`room:${room}`, { event: "member", change: role ? "joined" : "left" })
    if (role) member.joined = member.v
    const v = this.log("user:1", { event: "me", change: role ? "room_added" : "room_removed", room })
    if (role) Object.assign(this.positions.get(room), { seq: Math.max(this.positions.get(room).seq, member.v), v })
  }

  move(room, seq) {
    const position = this.positions.get(room)
    if (seq === position.seq) return
    position.seq = seq
    position.v = this.log("user:1", { event: "me", change: "read", room })
  }

  rename() {
    this.bob.name = `Bob ${this.bob.v + 1}`
    this.bob.v = this.log("site", { event: "site", change: "person" })
  }

  person(id) { return id === 2 ? { ...this.bob } : { id, name: "Me", v: 0 } }

  count(room) {
    const above = [...this.messages.values()].filter((m) => m.room === room && m.seq > this.positions.get(room).seq && m.author !== ME && !m.deleted_at)
    return { unread: above.length, mentions: above.filter((m) => m.mentions.includes(ME)).length }
  }

  // The subject as it is now.
  frame(stream, { seq, event, change, id, room }) {
    const payload = { stream, seq, change, html: "" }
    if (event === "message") {
      const message = this.messages.get(id)
      payload.message = { ...message, mentions: [...message.mentions], author: this.person(message.author) }
    } else if (event === "member") {
      const { role, v } = this.members.get(Number(stream.slice(5)))
      Object.assign(payload, { user: this.person(ME), role, v, by: ME })
    } else if (event === "site") {
      payload.user = this.person(2)
    } else if (change === "read") {
      const { seq: position, v } = this.positions.get(room)
      Object.assign(payload, { room, position, v, at: this.head(`room:${room}`), ...this.count(room) })
    } else {
      const member = this.members.get(room).role !== null
      payload.room = { id: room, member, v: seq, html: member && { place: this.place(room), content: this.content(room) } }
    }
    return [event, payload]
  }

  place(id) {
    const position = this.positions.get(id)
    return { id, cursor: this.head(`room:${id}`), position: position.seq, v: position.v, ...this.count(id) }
  }

  content(id) {
    return new Map([...this.messages.values()].filter((m) => m.room === id).map((m) => [m.id, { text: m.text, v: m.v, mentions: [...m.mentions] }]))
  }

  get joined() { return ROOMS.filter((id) => this.members.get(id).role) }

  page() {
    return {
      page: { epoch: this.epoch, me: ME, user: { name: "user:1", cursor: this.head("user:1") }, site: this.head("site"), rooms: this.joined.map((id) => this.place(id)) },
      content: new Map(this.joined.map((id) => [id, this.content(id)])),
      people: this.person(2),
    }
  }

  resume({ streams, all }) {
    const names = [...Object.keys(streams), ...(all ? this.joined.map((id) => `room:${id}`).filter((name) => !(name in streams)) : [])]
    return { ok: true, epoch: this.epoch, streams: Object.fromEntries(names.map((name) => [name, this.missed(name, streams[name] ?? null)])) }
  }

  missed(name, cursor) {
    const { head, floor, entries } = this.streams.get(name)
    const id = name.startsWith("room:") ? Number(name.slice(5)) : null
    const member = this.members.get(id)
    if (member && !member.role) return { gone: true }
    if (cursor === null) return { head, frames: [] }
    if (cursor > head || cursor < floor || head - cursor > TOO_MANY || member && cursor < member.joined) return { reset: true }
    const upto = Math.min(head, cursor + PAGE)
    const frames = entries.filter(({ seq }) => seq > cursor && seq <= upto).map((entry) => this.frame(name, entry))
    return { head, frames, upto, more: upto < head, ...(member && upto === head && { ...this.count(id), read: { ...this.positions.get(id) } }) }
  }
}

class World {
  constructor(seed) {
    this.random = dice(seed)
    this.isLossy = seed % 2 === 1
    this.server = new Server()
    this.line = null // frames and answers on their way, in order; null while there is no connection
    this.pages = [] // pages read by the server and not yet on screen
    this.wanted = new Map() // what has to be loaded, and how many pages had been read by then
    this.reads = 0
    this.clock = new Clock()
    this.screen = { rooms: new Map(), bob: "" }
    this.session = new Session({
      clock: this.clock, random: this.random, resets: new Resets({ clock: { now: () => 0 }, memory: { load: () => [], save() {} } }),
      request: (payload) => new Promise((resolve) => this.questions.push({ payload, resolve })),
      view: {
        show: (copy, frame, isNew) => isNew && frame.event === "message" && this.draw(copy.id, frame.message),
        counted() {}, sized() {}, moved() {}, status() {}, stuck() {}, refused() {},
        person: ({ id, name }) => { if (id === 2) this.screen.bob = name },
        place: ({ id, html: { place, content } }) => { this.wanted.delete(id); this.screen.rooms.set(id, new Map(content)); return place },
        load: (id) => { this.screen.rooms.delete(id); this.wanted.set(id, this.reads) },
        forget: (id) => { this.screen.rooms.delete(id); this.wanted.delete(id) },
        reload: () => { this.wanted.set("page", this.reads) },
      },
    })
    for (const id of [1, 2]) this.server.setMember(id, "member")
    this.server.commit()
    this.visit(this.server.page())
  }

  draw(id, { id: message, text, v }) {
    const shown = this.screen.rooms.get(id)
    assert.ok((shown?.get(message)?.v ?? 0) <= v, "an older text came back")
    shown?.set(message, { text, v })
  }

  chance(p) { return this.random() < p }
  one(list) { return list[Math.floor(this.random() * list.length)] }

  visit({ page, content, people }) {
    this.wanted.clear()
    this.screen = { rooms: content, bob: people.name }
    if ((this.session.people.of(2)?.v ?? -1) > people.v) this.screen.bob = this.session.people.of(2).name
    this.session.adopt(page)
    for (const [id, messages] of content) for (const [key, message] of messages) this.session.room(id)?.hold(key, message)
  }

  connect() {
    if (this.line) return
    this.line = []
    this.questions = []
    this.answers = []
    this.follows = new Set(["user:1", "site"])
    this.sent = new Map([...this.server.streams].map(([name, { head }]) => [name, head]))
    this.line.push({ event: ["hello", { epoch: this.server.epoch, user: ME, streams: { "user:1": this.server.head("user:1"), site: this.server.head("site") } }] })
    this.session.connected()
  }

  drop() {
    if (!this.line) return
    this.line = this.questions = this.answers = null
    this.session.disconnected()
  }

  // The pump: what was committed goes to the connection, in order, now or later; the state decides who follows what.
  pump(names = [...this.server.streams.keys()]) {
    if (!this.line) return
    for (const name of names) {
      const { head, entries, built } = this.server.streams.get(name)
      const from = this.sent.get(name)
      this.sent.set(name, head)
      for (let i = from; i < head; i++) {
        const id = name.startsWith("room:") ? Number(name.slice(5)) : null
        if (id && !this.server.members.get(id).role) this.follows.delete(name)
        const isLost = this.isLossy && this.chance(0.05)
        if (this.follows.has(name) && !isLost) this.line.push({ event: built[i] })
        if (entries[i].change === "room_added" || entries[i].change === "room_removed") this.reconcile(entries[i].room)
      }
    }
  }

  reconcile(id) {
    const name = `room:${id}`
    if (!this.server.members.get(id).role) return this.follows.delete(name)
    if (this.follows.has(name)) return
    this.follows.add(name)
    this.line.push({ event: ["subscribed", { stream: name, head: this.sent.get(name) }] })
  }

  async deliver() {
    const next = this.line?.shift()
    if (!next) return false
    if (next.event) this.session.receive(...next.event)
    else {
      next.resolve(this.chance(0.1) ? null : next.answer)
    }
    for (let i = 0; i < 6; i++) await null
    return true
  }

  // The server reads a question some time after it was sent, and answers some time after it has read: what was committed
  // in between may be on the line before the answer.
  async serve() {
    const next = this.questions?.shift()
    if (!next) return false
    for (const id of this.server.joined) if (next.payload.all || `room:${id}` in next.payload.streams) this.follows.add(`room:${id}`)
    this.answers.push({ ...next, answer: this.server.resume(next.payload) })
    return true
  }

  answer() {
    const next = this.answers?.shift()
    if (next) this.line.push(next)
    return Boolean(next)
  }

  // A page is read now and shown later.
  read() { this.pages.push({ ...this.server.page(), number: ++this.reads, isWhole: this.wanted.has("page") || this.chance(0.3) }) }

  show() {
    const page = this.pages.shift()
    if (!page) return
    if (page.isWhole) return this.visit(page)
    for (const [id, after] of [...this.wanted]) {
      if (page.number <= after) continue
      this.wanted.delete(id)
      const place = page.page.rooms.find((room) => room.id === id)
      if (!place) continue
      this.screen.rooms.set(id, page.content.get(id))
      this.session.add(place)
      for (const [key, message] of page.content.get(id)) this.session.room(id)?.hold(key, message)
    }
  }

  async step() {
    const { server } = this
    const standing = [...server.messages.values()].filter((m) => !m.deleted_at)
    const room = this.one(ROOMS)
    const what = this.one(["post", "post", "post", "edit", "delete", "member", "move", "rename", "pump", "pump", "pump", "pump", "serve", "serve", "answer", "answer", "deliver", "deliver", "deliver", "connect", "connect", "drop", "read", "show", "wait", "prune", "back"])
    if (what === "post") server.post(room, this.one([1, 2, 2]), this.chance(0.4))
    else if (what === "edit" && standing.length) server.edit(this.one(standing), this.chance(0.4))
    else if (what === "delete" && standing.length) server.delete(this.one(standing))
    else if (what === "member") server.setMember(room, server.members.get(room).role ? null : "member")
    else if (what === "back" && server.members.get(room).role) { server.setMember(room, null); server.setMember(room, "member") }
    else if (what === "move" && server.members.get(room).role) server.move(room, Math.floor(this.random() * (server.head(`room:${room}`) + 1)))
    else if (what === "rename") server.rename()
    else if (what === "pump") this.pump([this.one([...server.streams.keys()])])
    else if (what === "serve") await this.serve()
    else if (what === "answer") this.answer()
    else if (what === "deliver") for (let i = 0; i < 3; i++) await this.deliver()
    else if (what === "connect") this.connect()
    else if (what === "drop" && this.chance(0.5)) this.drop()
    else if (what === "read") this.read()
    else if (what === "show") this.show()
    else if (what === "wait") await this.clock.pass(3000)
    else if (what === "prune" && this.chance(0.2)) for (const stream of server.streams.values()) stream.floor = Math.max(0, stream.head - 4)
    server.commit()
  }

  async settle() {
    this.chance = () => false
    if (this.isLossy) this.drop() // only a new connection, or more frames, can tell of the last one that was lost
    this.connect()
    for (let i = 0; i < 200; i++) {
      this.pump()
      let isBusy = false
      while (await this.deliver() || await this.serve() || this.answer()) isBusy = true
      if (this.wanted.size) { this.pages = []; this.read(); if (this.wanted.has("page")) this.pages[0].isWhole = true; this.show(); isBusy = true }
      if (!isBusy && !this.session.isCatchingUp) return
      await settled()
      await this.clock.pass(40_000)
    }
    assert.fail("never settles")
  }

  check() {
    const { server, session, screen } = this
    assert.deepEqual(session.rooms.map(({ id }) => id).sort(), server.joined, "rooms")
    for (const id of server.joined) {
      const { cursor, position, unread, mentions } = session.room(id)
      const page = server.place(id)
      assert.deepEqual({ cursor, position, unread, mentions }, { cursor: page.cursor, position: page.position, unread: page.unread, mentions: page.mentions }, `room ${id}`)
      const shown = [...screen.rooms.get(id)].map(([key, { text, v }]) => [key, text, v]).sort((a, b) => a[0] - b[0])
      assert.deepEqual(shown, [...server.content(id)].map(([key, { text, v }]) => [key, text, v]), `messages of room ${id}`)
    }
    assert.equal(screen.bob, server.bob.name, "name")
  }
}

test(`after ${PROGRAMS} programs of ${STEPS} steps every screen equals a fresh page`, async () => {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const world = new World(seed)
    try {
      for (let i = 0; i < STEPS; i++) await world.step()
      await world.settle()
      world.check()
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`
      throw error
    }
  }
})
