import { Clock } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Present, Typists, Typing } = await import("parley/models/presence")

test("who writes is shown for six seconds after they were last heard of", async () => {
  const clock = new Clock()
  const changed = []
  const typists = new Typists({ clock, changed: (room) => changed.push(room) })
  typists.set(1, 7, true)
  typists.set(2, 8, true)
  await clock.pass(4000)
  typists.set(1, 7, true)
  await clock.pass(4000)
  assert.deepEqual([typists.in(1), typists.in(2)], [[7], []])
  await clock.pass(3000)
  assert.deepEqual(typists.in(1), [])
  assert.deepEqual(changed, [1, 2, 1, 2, 1])
})

test("who stopped is not shown any more", () => {
  const clock = new Clock()
  const typists = new Typists({ clock, changed() {} })
  typists.set(1, 7, true)
  typists.set(1, 7, false)
  assert.deepEqual(typists.in(1), [])
})

test("my own lease is renewed at half time, not with each key", async () => {
  const clock = new Clock()
  const sent = []
  const typing = new Typing({ clock, send: (on) => sent.push(on) })
  for (let key = 0; key < 20; key++) {
    typing.typed()
    await clock.pass(200)
  }
  assert.deepEqual(sent, [true, true])
  typing.stopped()
  typing.stopped()
  assert.deepEqual(sent, [true, true, false])
})

function present() {
  const page = { 1: "online", 2: "online", 3: "away" } // as the server drew it, a while ago
  const all = (stateOf) => { for (const user of Object.keys(page)) page[user] = stateOf(Number(user)) }
  return { page, present: new Present({ changed: (user, state) => { page[user] = state }, all }) }
}

test("whoever the server does not name when one arrives has left, though the page still shows them", async () => {
  const { page, present: people } = present()
  const arrived = people.arrived(Promise.resolve({ ok: true }))
  people.set(1, "away")
  await arrived
  assert.deepEqual(page, { 1: "away", 2: "offline", 3: "offline" })
  people.set(2, "online")
  people.set(1, "offline")
  page[1] = "online" // another page, which the server drew before that
  page[3] = "away"
  people.redraw()
  assert.deepEqual(page, { 1: "offline", 2: "online", 3: "offline" })
})

test("nobody is said to have left before the server has answered, and answered this connection", async () => {
  const { page, present: people } = present()
  people.redraw()
  await people.arrived(Promise.resolve(null))
  people.redraw()
  const [earlier, later] = [people.arrived(Promise.resolve({ ok: true })), people.arrived(new Promise(() => {}))]
  await earlier
  people.redraw()
  assert.deepEqual(page, { 1: "online", 2: "online", 3: "away" })
  assert.ok(later)
})
