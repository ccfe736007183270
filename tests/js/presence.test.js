import { Clock } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Typists, Typing } = await import("parley/models/presence")

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
