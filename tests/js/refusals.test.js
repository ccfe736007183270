import "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Refusals } = await import("parley/models/refusals")

const refused = (key, { room = 7, code = "forbidden" } = {}) => ({ key, room, code, state: "failed" })
const keys = (items) => items.map(({ key }) => key)

test("a refusal elsewhere is told once, one in the room on screen not at all", () => {
  const refusals = new Refusals()
  const items = [refused("a"), refused("b", { room: 8 }), { key: "c", room: 7, state: "waiting" }]
  assert.deepEqual(keys(refusals.news(items, { room: 8 })), ["a"])
  assert.deepEqual(keys(refusals.news(items, { room: 8 })), [])
  assert.deepEqual(keys(refusals.news(items, { room: 9, isNewPage: true })), [])
})

test("one whose room is closed to me is told on every page until it is discarded", () => {
  const refusals = new Refusals()
  const items = [refused("a", { code: "not_found" })]
  assert.deepEqual(keys(refusals.news(items, { room: undefined })), ["a"])
  assert.deepEqual(keys(refusals.news(items, { room: undefined })), [])
  assert.deepEqual(keys(refusals.news(items, { room: 8, isNewPage: true })), ["a"])
  assert.deepEqual(keys(refusals.news([], { room: 8, isNewPage: true })), [])
})

test("what was tried again and refused again is told again", () => {
  const refusals = new Refusals()
  refusals.news([refused("a")], { room: 8 })
  refusals.news([{ ...refused("a"), state: "waiting" }], { room: 8 })
  assert.deepEqual(keys(refusals.news([refused("a")], { room: 8 })), ["a"])
})
