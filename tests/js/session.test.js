import { Clock, question, settled } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Session } = await import("parley/models/session")
const { Resets } = await import("parley/models/resets")

const ME = 1
const BOB = { id: 2, name: "Bob", v: 1 }
const room = (more = {}) => ({ id: 7, cursor: 40, position: 40, v: 5, unread: 0, mentions: 0, ...more })
const page = (more = {}) => ({ epoch: "e1", me: ME, user: { name: "user:1", cursor: 12 }, site: 9, rooms: [room()], ...more })

// A session on a page, with everything that reaches the screen, and every request, written down.
function open({ isConnected = true, ...more } = {}) {
  const clock = new Clock()
  const seen = { shown: [], moved: {}, loaded: [], forgotten: [], reloaded: [], people: [], sites: [], sized: [], stuck: 0, refused: 0, status: [] }
  const requests = []
  const session = new Session({
    clock, random: () => 1, resets: new Resets({ clock }),
    request: (payload) => {
      const { promise, answer } = question()
      requests.push({ ...payload, answer: async (value) => { answer(value); await settled() } })
      return promise
    },
    view: {
      show: (copy, frame, isNew) => seen.shown.push([copy.id, frame.seq, frame.change, isNew]),
      counted: () => {},
      sized: (id, by) => seen.sized.push(by),
      moved: (name, cursor) => { seen.moved[name] = cursor },
      load: (id) => seen.loaded.push(id),
      forget: (id) => seen.forgotten.push(id),
      reload: (reason) => seen.reloaded.push(reason),
      person: (person) => seen.people.push(person.name),
      site: (site) => seen.sites.push(site.name),
      stuck: () => seen.stuck++,
      refused: () => seen.refused++,
      status: (isCatchingUp) => seen.status.push(isCatchingUp),
    },
  })
  session.adopt(page(more))
  if (isConnected) session.connected()
  return { session, seen, requests, clock }
}

const ok = (streams, epoch = "e1") => ({ ok: true, epoch, streams })
const nothing = (head) => ({ head, frames: [], upto: head, more: false })
const caughtUp = ({ streams }) => ok(Object.fromEntries(Object.entries(streams).map(([name, cursor]) => [name, nothing(cursor)])))

// A session that has connected and is up to date.
async function live(more) {
  const it = open(more)
  await it.requests[0].answer(caughtUp(it.requests[0]))
  it.requests.length = 0
  return it
}

const message = (seq, { id = seq, change = "posted", v = seq, author = BOB, at = seq, deleted = null, mentions = [], everyone = false } = {}) => [
  "message",
  { stream: "room:7", seq, change, html: "", message: { id, room: 7, seq: at, v, rev: 1, author, mentions, mentions_room: everyone, deleted_at: deleted } },
]
const member = (seq, change, { id = ME, role = change === "left" ? null : "member", v = seq } = {}) =>
  ["member", { stream: "room:7", seq, change, user: { id, name: "?", v: 1 }, role, v, by: id, html: "" }]
const mine = (seq, change, body) => ["me", { stream: "user:1", seq, change, ...body }]
const read = (seq, { position, v = seq, unread = 0, mentions = 0, at, room = 7 }) => mine(seq, "read", { room, position, v, unread, mentions, at })
const cursors = ({ streams }) => streams

// ---- connecting

test("on every connect all cursors are told, and all rooms asked for", () => {
  const { requests } = open()
  assert.equal(requests.length, 1)
  assert.deepEqual(cursors(requests[0]), { "user:1": 12, site: 9, "room:7": 40 })
  assert.deepEqual([requests[0].all, requests[0].epoch], [true, "e1"])
})

test("catching up ends when nothing is missing", async () => {
  const { session, requests, seen } = open()
  assert.equal(session.isCatchingUp, true)
  await requests[0].answer(caughtUp(requests[0]))
  assert.equal(session.isCatchingUp, false)
  assert.equal(seen.status.at(-1), false)
})

test("an answer that is not all is asked on from where it ends", async () => {
  const { requests, seen } = open()
  await requests[0].answer(ok({ "user:1": nothing(12), site: nothing(9), "room:7": { head: 42, upto: 41, more: true, frames: [message(41)] } }))
  assert.deepEqual(cursors(requests[1]), { "room:7": 41 })
  await requests[1].answer(ok({ "room:7": { head: 42, upto: 42, more: false, frames: [message(42)], unread: 2, mentions: 0, read: { seq: 40, v: 5 } } }))
  assert.deepEqual([seen.shown.length, seen.moved["room:7"], requests.length], [2, 42, 2])
})

test("no answer, busy, too many: asked again after a pause", async () => {
  const { requests, clock } = open()
  await requests[0].answer(null)
  await clock.pass(2000)
  assert.deepEqual(cursors(requests[1]), cursors(requests[0]))
  assert.equal(requests[1].all, true)
  await requests[1].answer({ ok: false, code: "rate_limited", retry_after: 7 })
  await clock.pass(6900)
  assert.equal(requests.length, 2)
  await clock.pass(200)
  assert.equal(requests.length, 3)
})

test("unauthorized: somebody has to sign in", async () => {
  const { requests, seen } = open()
  await requests[0].answer({ ok: false, code: "unauthorized", message: "" })
  assert.equal(seen.refused, 1)
})

test("an answer that comes after the connection has ended is ignored", async () => {
  const { session, requests, seen } = open()
  session.disconnected()
  session.connected()
  await requests[0].answer(ok({ "room:7": { gone: true } }))
  assert.deepEqual(seen.forgotten, [])
  assert.equal(requests.length, 2)
})

test("more than 500 streams are asked for in turns", async () => {
  const rooms = Array.from({ length: 600 }, (_, i) => room({ id: i + 1 }))
  const { requests } = open({ rooms })
  assert.equal(Object.keys(requests[0].streams).length, 500)
  await requests[0].answer(caughtUp(requests[0]))
  assert.equal(Object.keys(requests[1].streams).length, 102)
})

// ---- frames

test("a live frame is shown and moves the cursor", async () => {
  const { session, seen, requests } = await live()
  session.receive(...message(41))
  assert.deepEqual(seen.shown, [[7, 41, "posted", true]])
  assert.equal(seen.moved["room:7"], 41)
  await settled()
  assert.equal(requests.length, 0)
})

test("a tick moves the cursor and shows nothing", async () => {
  const { session, seen } = await live()
  session.receive("tick", { stream: "room:7", seq: 41 })
  session.receive("tick", { stream: "site", seq: 10 })
  assert.deepEqual([seen.shown, seen.moved], [[], { ...seen.moved, "room:7": 41, site: 10 }])
})

test("nogap: a frame that is not next is not shown before what is missing", async () => {
  const { session, seen, requests } = await live()
  session.receive(...message(42))
  await settled()
  assert.deepEqual([seen.shown, cursors(requests[0])], [[], { "room:7": 40 }])
  await requests[0].answer(ok({ "room:7": { head: 42, upto: 42, more: false, frames: [message(41), message(42)] } }))
  assert.deepEqual(seen.shown.map(([, seq]) => seq), [41, 42])
})

test("one request at a time: further gaps wait for the answer and are then asked for", async () => {
  const { session, requests } = await live()
  session.receive(...message(42))
  await settled()
  session.receive(...message(45))
  await settled()
  assert.equal(requests.length, 1)
  await requests[0].answer(ok({ "room:7": { head: 42, upto: 42, more: false, frames: [message(41), message(42)] } }))
  assert.deepEqual(cursors(requests[1]), { "room:7": 42 })
})

test("gaps of several streams are asked for in one request", async () => {
  const { session, requests } = await live({ rooms: [room(), room({ id: 8 })] })
  session.receive(...message(42))
  session.receive("tick", { stream: "room:8", seq: 44 })
  session.receive("tick", { stream: "site", seq: 12 })
  await settled()
  assert.deepEqual(requests.map(cursors), [{ "room:7": 40, "room:8": 40, site: 9 }])
})

test("a promise that the server does not keep is not asked for at full speed", async () => {
  const { session, requests, clock } = await live()
  session.receive("subscribed", { stream: "room:7", head: 99 })
  await settled()
  for (let i = 0; i < 3; i++) await requests.at(-1).answer(ok({ "room:7": nothing(40) }))
  assert.equal(requests.length, 1)
  await clock.pass(10_000)
  assert.equal(requests.length, 2)
})

test("frames of a stream without a copy are ignored", async () => {
  const { session, seen, requests } = await live()
  session.receive("message", { ...message(3)[1], stream: "room:99" })
  await settled()
  assert.deepEqual([seen.shown, requests], [[], []])
})

// ---- content by version

test("noversion: a late frame does not bring the past back", async () => {
  const { session, seen } = await live()
  session.receive(...message(41, { v: 43 })) // as a replay shows it: already edited
  session.receive(...message(42, { id: 41, at: 41, change: "edited", v: 42 }))
  session.receive(...message(43, { id: 41, at: 41, change: "edited", v: 43 }))
  assert.deepEqual(seen.shown.map(([, seq, , isNew]) => [seq, isNew]), [[41, true], [42, false], [43, true]])
})

test("noversion: what is on the page counts, too", async () => {
  const { session, seen } = await live()
  session.room(7).hold(30, { v: 50 })
  session.receive(...message(41, { id: 30, at: 30, change: "edited", v: 41 }))
  assert.deepEqual(seen.shown, [[7, 41, "edited", false]])
})

test("noversion: names follow their owner's newest version", async () => {
  const { session, seen } = await live()
  session.receive("site", { stream: "site", seq: 10, change: "person", user: { id: 2, name: "Robert", v: 10 } })
  session.receive(...message(41, { author: BOB }))
  assert.deepEqual(seen.people, ["Robert"])
  assert.equal(session.people.of(2).name, "Robert")
})

test("noversion: the community's name does not go back by an older frame", async () => {
  const { session, seen } = await live()
  session.receive("site", { stream: "site", seq: 10, change: "settings", site: { name: "Lowwater", hue: 25, v: 11 } })
  session.receive("site", { stream: "site", seq: 11, change: "settings", site: { name: "Tidewater", hue: 205, v: 10 } })
  assert.deepEqual(seen.sites, ["Lowwater"])
})

test("noversion: a read position does not go back by an older frame", async () => {
  const { requests, session } = open({ rooms: [room({ position: 30, v: 5 })] })
  await requests[0].answer(ok({ "user:1": nothing(12), site: nothing(9), "room:7": { ...nothing(40), unread: 0, mentions: 0, read: { seq: 40, v: 14 } } }))
  session.receive(...read(13, { position: 35, v: 13, at: 40, unread: 5 }))
  assert.deepEqual([session.room(7).position, session.room(7).unread], [40, 0])
})

// ---- counts

test("posts of others above my position count, mine and read ones do not", async () => {
  const { session } = await live()
  session.receive(...message(41))
  session.receive(...message(42, { author: { id: ME, name: "Me", v: 1 } }))
  session.receive(...message(43, { mentions: [ME] }))
  session.receive(...message(44, { everyone: true }))
  session.receive(...message(45, { id: 44, at: 44, change: "edited", everyone: true }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [3, 2])
})

test("a deleted one is taken off, by its entry", async () => {
  const { session } = await live()
  session.receive(...message(41, { mentions: [ME] }))
  session.receive(...message(42, { id: 41, at: 41, change: "deleted", deleted: "now" }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 0])
})

test("a replay of posting and deleting comes out even", async () => {
  const { session } = await live({ rooms: [room({ position: 30, unread: 3 })] })
  const gone = { id: 41, at: 41, v: 42, deleted: "now" }
  session.receive(...message(41, gone))
  session.receive(...message(42, { ...gone, change: "deleted" }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [3, 0])
})

test("a deleted one below my position is not taken off", async () => {
  const { session } = await live({ rooms: [room({ unread: 2, position: 30 })] })
  session.receive(...message(41, { id: 20, at: 20, change: "deleted", deleted: "now" }))
  assert.equal(session.room(7).unread, 2)
})

test("what a moderator puts back is new again, with whom it calls", async () => {
  const { session, seen } = await live()
  session.receive(...message(41, { mentions: [ME] }))
  session.receive(...message(42, { id: 41, at: 41, change: "deleted", deleted: "now" }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 0])
  session.receive(...message(43, { id: 41, at: 41, change: "undeleted", mentions: [ME] }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [1, 1])
  assert.deepEqual(seen.shown.at(-1), [7, 43, "undeleted", true])
})

test("what is put back below my position, or was mine, does not count", async () => {
  const { session } = await live({ rooms: [room({ position: 30, unread: 2 })] })
  session.receive(...message(41, { id: 20, at: 20, change: "undeleted", mentions: [ME] }))
  session.receive(...message(42, { id: 35, at: 35, change: "undeleted", author: { id: ME, name: "Me", v: 1 } }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [2, 0])
})

test("a replay of taking away and putting back comes out even", async () => {
  const { session } = await live()
  const there = { id: 41, at: 41, v: 43, mentions: [ME] }
  session.receive(...message(41, there))
  session.receive(...message(42, { ...there, change: "deleted" }))
  session.receive(...message(43, { ...there, change: "undeleted" }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [1, 1])
})

test("what somebody wrote whom I muted counts neither when it comes nor when it is put back, but their call does", async () => {
  const { session } = await live({ blocks: { mute: [BOB.id], block: [] } })
  session.receive(...message(41, { mentions: [ME] }))
  session.receive(...message(42, { id: 41, at: 41, change: "deleted", deleted: "now" }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 0])
  session.receive(...message(43, { id: 41, at: 41, change: "undeleted", mentions: [ME] }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 1])
})

test("whom I blocked cannot call me, also not by what is put back", async () => {
  const { session } = await live({ blocks: { mute: [], block: [BOB.id] } })
  session.receive(...message(41, { mentions: [ME], everyone: true }))
  session.receive(...message(42, { id: 41, at: 41, change: "deleted", deleted: "now" }))
  session.receive(...message(43, { id: 41, at: 41, change: "undeleted", mentions: [ME] }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 0])
})

test("a mention that comes or goes with an edit is counted", async () => {
  const { session } = await live()
  session.receive(...message(41))
  session.receive(...message(42, { id: 41, at: 41, change: "edited", mentions: [ME] }))
  assert.equal(session.room(7).mentions, 1)
  session.receive(...message(43, { id: 41, at: 41, change: "edited" }))
  assert.equal(session.room(7).mentions, 0)
})

test("whether a deleted message had named me is asked for when it is not known", async () => {
  const { session, requests } = await live({ rooms: [room({ position: 30, unread: 4, mentions: 1 })] })
  session.receive(...message(41, { id: 35, at: 35, change: "deleted", deleted: "now" }))
  await settled()
  assert.deepEqual(cursors(requests[0]), { "room:7": 41 })
  await requests[0].answer(ok({ "room:7": { ...nothing(41), unread: 3, mentions: 0, read: { seq: 30, v: 5 } } }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions, session.room(7).isStale], [3, 0, false])
})

test("the count of a read position is taken when it is counted at the cursor", async () => {
  const { session } = await live({ rooms: [room({ position: 30, unread: 9 })] })
  session.receive(...read(13, { position: 38, unread: 2, mentions: 1, at: 40 }))
  const { position, unread, mentions } = session.room(7)
  assert.deepEqual([position, unread, mentions], [38, 2, 1])
})

test("a position that is not below the cursor leaves nothing unread", async () => {
  const { session } = await live({ rooms: [room({ position: 30, unread: 9, mentions: 2 })] })
  session.receive(...read(13, { position: 45, unread: 1, at: 46 }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions], [0, 0])
})

test("countlate: a count of another number is not taken; one that fits is asked for", async () => {
  const { session, requests } = await live({ rooms: [room({ position: 30, unread: 9 })] })
  session.receive(...read(13, { position: 38, unread: 3, at: 41 }))
  await settled()
  assert.equal(session.room(7).unread, 9)
  assert.deepEqual(cursors(requests[0]), { "room:7": 40 })
  await requests[0].answer(ok({ "room:7": { head: 41, upto: 41, more: false, frames: [message(41)], unread: 3, mentions: 0, read: { seq: 38, v: 13 } } }))
  assert.deepEqual([session.room(7).unread, session.room(7).cursor], [3, 41])
})

test("countlate: an answer that live frames have overtaken is not taken, but asked for again", async () => {
  const { session, requests } = await live({ rooms: [room({ position: 30, unread: 9 })] })
  session.receive(...read(13, { position: 38, unread: 3, at: 41 }))
  await settled()
  session.receive(...message(41))
  session.receive(...message(42))
  await requests[0].answer(ok({ "room:7": { head: 41, upto: 41, more: false, frames: [message(41)], unread: 3, mentions: 0, read: { seq: 38, v: 13 } } }))
  assert.deepEqual(cursors(requests[1]), { "room:7": 42 })
  await requests[1].answer(ok({ "room:7": { ...nothing(42), unread: 4, mentions: 0, read: { seq: 38, v: 13 } } }))
  assert.equal(session.room(7).unread, 4)
})

test("countback: a count from before my position moved is not taken", async () => {
  const { session, requests } = open({ rooms: [room({ position: 30, unread: 5 })] })
  session.receive(...read(13, { position: 40, at: 40 }))
  await requests[0].answer(ok({ "user:1": nothing(13), site: nothing(9), "room:7": { ...nothing(40), unread: 5, mentions: 1, read: { seq: 30, v: 5 } } }))
  assert.deepEqual([session.room(7).position, session.room(7).unread, session.room(7).mentions], [40, 0, 0])
})

test("countback: when that leaves something unread, a count that fits is asked for", async () => {
  const { session, requests } = open({ rooms: [room({ position: 30, unread: 5 })] })
  session.receive(...read(13, { position: 38, unread: 2, at: 40 }))
  await requests[0].answer(ok({ "user:1": nothing(13), site: nothing(9), "room:7": { ...nothing(40), unread: 5, mentions: 0, read: { seq: 30, v: 5 } } }))
  assert.deepEqual([session.room(7).unread, cursors(requests[1])], [2, { "room:7": 40 }])
  await requests[1].answer(ok({ "room:7": { ...nothing(40), unread: 2, mentions: 1, read: { seq: 38, v: 13 } } }))
  assert.deepEqual([session.room(7).unread, session.room(7).mentions, requests.length], [2, 1, 2])
})

test("mark unread on another device moves the position back here", async () => {
  const { session } = await live()
  session.receive(...read(13, { position: 20, unread: 8, at: 40 }))
  assert.deepEqual([session.room(7).position, session.room(7).unread], [20, 8])
})

// ---- membership

test("ownleft: a `left` of mine is not acted upon; I may be back", async () => {
  const { session, seen } = await live()
  session.receive(...member(41, "left", { role: "member", v: 42 }))
  assert.deepEqual([seen.forgotten, seen.loaded, session.room(7).cursor], [[], [], 41])
})

test("oldcopy: a `joined` of mine starts the room afresh, and the old copy does not pass for continued", async () => {
  const { session, seen } = await live()
  session.receive(...message(41))
  session.receive(...member(42, "joined"))
  assert.deepEqual([seen.loaded, session.room(7), seen.moved["room:7"]], [[7], undefined, 41])
  session.receive(...message(43))
  assert.equal(seen.shown.length, 2)
})

test("others joining and leaving are shown and counted", async () => {
  const { session, seen } = await live()
  session.receive(...member(41, "joined", { id: 3 }))
  session.receive(...member(42, "left", { id: 3 }))
  session.receive(...member(43, "left", { id: 4 }))
  assert.deepEqual([seen.shown.length, seen.loaded, seen.sized], [3, [], [1, -1, -1]])
})

test("how many people there are follows the state: a replay shows it early, and ends the same", async () => {
  const { session, seen } = await live()
  session.receive(...member(41, "joined", { id: 3, role: null, v: 42 }))
  session.receive(...member(42, "left", { id: 3 }))
  session.receive(...member(43, "role", { id: 4, role: null, v: 44 }))
  session.receive(...member(44, "left", { id: 4 }))
  session.receive(...member(45, "role", { id: 5, role: "owner" }))
  assert.deepEqual(seen.sized, [-1])
})

test("room_removed: the copy is forgotten", async () => {
  const { session, seen } = await live()
  session.receive(...mine(13, "room_removed", { room: { id: 7, member: false, v: 13 } }))
  assert.deepEqual([seen.forgotten, session.room(7)], [[7], undefined])
})

test("room_removed that says I am a member is no reason to forget", async () => {
  const { session, seen } = await live()
  session.receive(...mine(13, "room_removed", { room: { id: 7, member: true, v: 14 } }))
  assert.deepEqual(seen.forgotten, [])
})

test("keepgone: a room that is gone is forgotten", async () => {
  const { requests, seen, session } = open()
  await requests[0].answer(ok({ "user:1": nothing(12), site: nothing(9), "room:7": { gone: true } }))
  assert.deepEqual([seen.forgotten, session.room(7)], [[7], undefined])
})

test("room_added without a copy: asked for from now on, then loaded", async () => {
  const { session, seen, requests } = await live()
  session.receive(...mine(13, "room_added", { room: { id: 8, member: true, v: 13 } }))
  await settled()
  assert.deepEqual(cursors(requests[0]), { "room:8": null })
  await requests[0].answer(ok({ "room:8": { head: 5, frames: [], unread: 0, mentions: 0, read: { seq: 0, v: 0 } } }))
  assert.deepEqual(seen.loaded, [8])
})

test("room_added with its place: it is there at once, and asks what follows", async () => {
  const { session, seen, requests } = await live()
  session.view.place = ({ id, html }) => room({ id, cursor: Number(html) })
  session.receive(...mine(13, "room_added", { room: { id: 8, member: true, v: 13, html: "5" } }))
  await settled()
  assert.deepEqual([session.room(8).cursor, cursors(requests[0]), seen.loaded], [5, { "room:8": 5 }, []])
})

test("a room that came with `all` and is not on the page is loaded", async () => {
  const { requests, seen } = open()
  await requests[0].answer(ok({ ...caughtUp(requests[0]).streams, "room:8": { head: 5, frames: [] } }))
  assert.deepEqual(seen.loaded, [8])
})

test("quietsub: a subscription that begins above the cursor means something was missed", async () => {
  const { session, requests } = await live()
  session.receive("subscribed", { stream: "room:7", head: 40 })
  await settled()
  assert.equal(requests.length, 0)
  session.receive("subscribed", { stream: "room:7", head: 43 })
  await settled()
  assert.deepEqual(cursors(requests[0]), { "room:7": 40 })
})

test("a loaded room that is behind what was announced asks for the rest", async () => {
  const { session, requests } = await live()
  session.receive(...member(41, "joined"))
  session.receive(...message(42))
  session.add(room({ cursor: 41 }))
  await settled()
  assert.deepEqual(cursors(requests[0]), { "room:7": 41 })
})

test("a room whose position moved while it was loaded asks for a count that fits", async () => {
  const { session, requests } = await live()
  session.receive(...member(41, "joined"))
  session.receive(...read(13, { position: 41, at: 41 }))
  session.add(room({ cursor: 41, position: 30, v: 5, unread: 9 }))
  assert.equal(session.room(7).position, 41)
  await settled()
  assert.deepEqual(cursors(requests[0]), { "room:7": 41 })
})

// ---- answers about a copy dropped since

test("an answer about a copy that was dropped meanwhile is ignored", async () => {
  const { session, seen, requests } = await live()
  session.receive(...message(42))
  await settled()
  session.receive(...mine(13, "room_removed", { room: { id: 7, member: false, v: 13 } }))
  session.add(room({ cursor: 50 }))
  await requests[0].answer(ok({ "room:7": { gone: true } }))
  assert.deepEqual([seen.forgotten, session.room(7).cursor], [[7], 50])
})

test("nor is one about a copy that another part of the answer replaced", async () => {
  const { session, seen, requests } = open()
  session.view.place = ({ id, html }) => room({ id, cursor: Number(html) })
  session.receive(...mine(14, "room_added", { room: { id: 7, member: true, v: 14, html: "50" } })) // waits for 13
  const removed = mine(13, "room_removed", { room: { id: 7, member: false, v: 13 } })
  await requests[0].answer(ok({ "user:1": { head: 13, upto: 13, more: false, frames: [removed] }, site: nothing(9), "room:7": { gone: true } }))
  assert.deepEqual([seen.forgotten, session.room(7)?.cursor], [[7], 50])
})

test("the copy that was made instead asks for itself", async () => {
  const { session, requests } = await live()
  session.receive(...message(42))
  await settled()
  session.receive(...member(41, "joined"))
  session.add(room({ cursor: 42 }))
  await requests[0].answer(ok({ "room:7": { head: 44, upto: 44, more: false, frames: [message(43), message(44)] } }))
  assert.deepEqual(cursors(requests[1]), { "room:7": 42 })
})

// ---- pages

test("a page brings its own cursors; one that is behind asks from there", async () => {
  const { session, seen, requests } = await live()
  for (const seq of [41, 42, 43]) session.receive(...message(seq))
  session.adopt(page({ rooms: [room({ cursor: 41 })] }))
  await settled()
  assert.deepEqual(requests.map(cursors), [{ "room:7": 41 }])
  await requests[0].answer(ok({ "room:7": { head: 43, upto: 43, more: false, frames: [message(42), message(43)] } }))
  assert.equal(seen.moved["room:7"], 43)
})

test("a page that is up to date asks for nothing", async () => {
  const { session, requests } = await live()
  session.receive(...message(41))
  session.adopt(page({ rooms: [room({ cursor: 41 })] }))
  await settled()
  assert.deepEqual(requests, [])
})

test("a page that comes while a question is out asks everything anew", async () => {
  const { session, seen, requests } = open()
  session.adopt(page({ rooms: [room({ cursor: 38 })] }))
  await settled()
  assert.deepEqual([cursors(requests[1])["room:7"], requests[1].all], [38, true])
  await requests[0].answer(ok({ "room:7": { head: 41, upto: 41, more: false, frames: [message(41)] } }))
  assert.deepEqual(seen.shown, [])
})

test("a page that comes instead of a room that was to be loaded may be older than the reason: it asks", async () => {
  const { session, requests } = await live()
  session.receive("reset", { stream: "room:7" })
  session.adopt(page({ rooms: [room({ cursor: 38 })] }))
  await settled()
  assert.deepEqual(requests.map(cursors), [{ "room:7": 38 }])
})

test("a page from an earlier time shows positions of that time until its stream has caught up", async () => {
  const { session, requests } = await live({ rooms: [room({ position: 30, unread: 9 })] })
  session.receive(...read(13, { position: 40, at: 40 }))
  session.adopt(page({ rooms: [room({ position: 30, unread: 9 })] }))
  assert.equal(session.room(7).unread, 9)
  await settled()
  assert.deepEqual(cursors(requests[0]), { "user:1": 12 })
  await requests[0].answer(ok({ "user:1": { head: 13, upto: 13, more: false, frames: [read(13, { position: 40, at: 40 })] } }))
  assert.deepEqual([session.room(7).position, session.room(7).unread], [40, 0])
})

// ---- starting afresh

test("reset: that room is loaded again, and only it", async () => {
  const { requests, seen } = open()
  await requests[0].answer(ok({ ...caughtUp(requests[0]).streams, "room:7": { reset: true } }))
  assert.deepEqual([seen.loaded, seen.reloaded], [[7], []])
})

test("reset of my own stream: the page is loaded again", async () => {
  const { requests, seen } = open()
  await requests[0].answer(ok({ ...caughtUp(requests[0]).streams, "user:1": { reset: true } }))
  assert.deepEqual(seen.reloaded, ["reset"])
})

test("reset as a frame does the same, for one stream or for all", async () => {
  const { session, seen } = await live()
  session.receive("reset", { stream: "room:7", reason: "gap" })
  session.receive("reset", { stream: "*", reason: "epoch" })
  assert.deepEqual([seen.loaded, seen.reloaded], [[7], ["reset"]])
})

test("three resets a minute, then a button", async () => {
  const { session, seen } = await live()
  for (let i = 0; i < 4; i++) {
    session.receive("reset", { stream: "room:7" })
    session.add(room())
  }
  assert.deepEqual([seen.loaded, seen.stuck], [[7, 7, 7], 1])
})

test("one change of the epoch, told twice, is one reset", async () => {
  const { session, requests, seen } = open()
  session.receive("hello", { epoch: "e2", user: ME, streams: {} })
  await requests[0].answer(ok({ "*": { reset: true } }, "e2"))
  assert.deepEqual([seen.reloaded, seen.stuck], [["epoch"], 0])
  session.adopt(page())
  assert.deepEqual(seen.reloaded, ["epoch", "epoch"], "the page that came is from before it, too")
})

test("another epoch: the page is loaded again", async () => {
  const { requests, seen } = open()
  await requests[0].answer(ok({ "*": { reset: true } }, "e2"))
  assert.deepEqual(seen.reloaded, ["epoch"])
})

test("another epoch or another person in the greeting, or a page from before the greeting: loaded again", () => {
  const first = open()
  first.session.receive("hello", { epoch: "e2", user: ME, streams: {} })
  const second = open()
  second.session.receive("hello", { epoch: "e1", user: 5, streams: {} })
  const third = open()
  third.session.receive("hello", { epoch: "e1", user: ME, streams: {} })
  third.session.adopt(page({ epoch: "e0" }))
  assert.deepEqual([first, second, third].map(({ seen }) => seen.reloaded), [["epoch"], ["person"], ["epoch"]])
})

test("what the greeting says of a stream is known to be missing", async () => {
  const { session, requests } = open()
  session.receive("hello", { epoch: "e1", user: ME, streams: { "user:1": 14 } })
  await requests[0].answer(ok({ "user:1": { head: 13, upto: 13, more: false, frames: [read(13, { position: 40, at: 40 })] }, site: nothing(9), "room:7": nothing(40) }))
  assert.deepEqual(cursors(requests[1]), { "user:1": 13 })
})
