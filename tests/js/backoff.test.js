import { Clock } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Backoff, jitter } = await import("parley/models/backoff")
const { Resets } = await import("parley/models/resets")

test("a pause lies between one second and a bound that doubles up to thirty", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 50].map((tries) => jitter(tries, { random: () => 1 }))
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
  assert.equal(jitter(9, { random: () => 0 }), 1000)
})

test("success begins again with short pauses", () => {
  const backoff = new Backoff({ random: () => 1 })
  assert.deepEqual([backoff.next(), backoff.next(), backoff.tries], [2000, 4000, 2])
  backoff.reset()
  assert.equal(backoff.next(), 2000)
})

test("the first tries follow each other soon, and may be at once", () => {
  const options = { base: 500, least: 100, eagerly: 3, soon: 1500, cap: 8000 }
  const longest = [1, 2, 3, 4, 5].map((tries) => jitter(tries, { ...options, random: () => 1 }))
  assert.deepEqual(longest, [1000, 1500, 1500, 8000, 8000])
  assert.equal(jitter(5, { ...options, random: () => 0 }), 100)
})

test("three resets a minute, then a person decides", async () => {
  const clock = new Clock()
  const resets = new Resets({ clock })
  assert.deepEqual([resets.allow(), resets.allow(), resets.allow(), resets.allow()], [true, true, true, false])
  await clock.pass(60_001)
  assert.equal(resets.allow(), true)
})

test("resets are counted over a reload of the page", () => {
  let kept = []
  const memory = { load: () => kept, save: (list) => { kept = list } }
  const clock = new Clock()
  for (let i = 0; i < 3; i++) assert.equal(new Resets({ memory, clock }).allow(), true)
  assert.equal(new Resets({ memory, clock }).allow(), false)
})
