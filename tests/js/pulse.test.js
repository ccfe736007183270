import { Clock, question, settled } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Pulse } = await import("parley/models/pulse")

// A connection: how often the server was looked for elsewhere, the answers to that, and how often it was given up.
function line({ answers = [] } = {}) {
  const clock = new Clock()
  const it = { clock, looks: 0, ends: 0 }
  const reaches = () => { it.looks++; return answers.length ? answers.shift() : Promise.resolve(false) }
  it.pulse = new Pulse({ clock, reaches, dead: () => { it.ends++; it.pulse.ended() } })
  return it
}

test("a question that is answered in time is no reason to look", async () => {
  const it = line()
  const answered = it.pulse.asked()
  await it.clock.pass(5000)
  answered()
  await it.clock.pass(60_000)
  assert.equal(it.looks, 0)
})

test("silence after a question, and from elsewhere as well, is the end", async () => {
  const it = line()
  it.pulse.asked()
  await it.clock.pass(5900)
  assert.deepEqual([it.looks, it.ends], [0, 0])
  await it.clock.pass(200)
  assert.deepEqual([it.looks, it.ends], [1, 1])
  await it.clock.pass(60_000)
  assert.deepEqual([it.looks, it.ends], [1, 1])
})

test("what is asked while there is patience with something else is still missed in its own time", async () => {
  const it = line()
  it.pulse.asked(12_000)
  await it.clock.pass(1000)
  it.pulse.asked()
  await it.clock.pass(5900)
  assert.deepEqual([it.looks, it.ends], [0, 0])
  await it.clock.pass(200)
  assert.deepEqual([it.looks, it.ends], [1, 1])
})

test("a server that is busy, but there, is waited for and looked for again", async () => {
  const it = line({ answers: [Promise.resolve(true), Promise.resolve(false)] })
  it.pulse.asked()
  await it.clock.pass(6100)
  assert.deepEqual([it.looks, it.ends], [1, 0])
  await it.clock.pass(5800)
  assert.deepEqual([it.looks, it.ends], [1, 0])
  await it.clock.pass(300)
  assert.deepEqual([it.looks, it.ends], [2, 1])
})

test("whatever is heard is a sign of life", async () => {
  const it = line()
  it.pulse.asked()
  for (let n = 0; n < 10; n++) {
    await it.clock.pass(4000)
    it.pulse.heard()
  }
  assert.deepEqual([it.looks, it.ends], [0, 0])
  await it.clock.pass(6100)
  assert.deepEqual([it.looks, it.ends], [1, 1])
})

test("silence by itself is none of its business: nobody asked", async () => {
  const it = line()
  await it.clock.pass(600_000)
  assert.equal(it.looks, 0)
})

test("what is heard while it looks keeps the connection", async () => {
  const { promise, answer } = question()
  const it = line({ answers: [promise] })
  it.pulse.asked()
  await it.clock.pass(7000)
  it.pulse.heard()
  answer(false)
  await settled()
  assert.deepEqual([it.looks, it.ends], [1, 0])
})

test("a look that began with one connection does not end the next", async () => {
  const { promise, answer } = question()
  const it = line({ answers: [promise] })
  it.pulse.asked()
  await it.clock.pass(7000)
  it.pulse.ended()
  it.pulse.asked()
  answer(false)
  await settled()
  assert.deepEqual([it.looks, it.ends], [1, 0])
  await it.clock.pass(6100)
  assert.deepEqual([it.looks, it.ends], [2, 1])
})

test("a question with more patience is given it", async () => {
  const it = line()
  it.pulse.asked(12_000)
  await it.clock.pass(11_900)
  assert.equal(it.looks, 0)
  it.pulse.asked()
  await it.clock.pass(200)
  assert.deepEqual([it.looks, it.ends], [1, 1])
})
