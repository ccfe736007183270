import { Clock, settled } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Reading } = await import("parley/models/reading")

function reading({ position = 10, answers = [] } = {}) {
  const clock = new Clock()
  const sent = []
  const it = new Reading({ clock, position: () => position, send: async (seq) => { sent.push(seq); return answers.length ? answers.shift() : { ok: true } } })
  return { it, clock, sent }
}

test("what was on screen is told once, together", async () => {
  const { it, clock, sent } = reading()
  it.saw(11)
  it.saw(14)
  it.saw(12)
  await clock.pass(1000)
  it.saw(13)
  await clock.pass(1000)
  assert.deepEqual(sent, [14])
})

test("what is read already is not told", async () => {
  const { it, clock, sent } = reading({ position: 20 })
  it.saw(15)
  await clock.pass(1000)
  assert.deepEqual(sent, [])
})

test("no answer: told again", async () => {
  const { it, clock, sent } = reading({ answers: [null, { ok: false, code: "rate_limited", retry_after: 2 }] })
  it.saw(15)
  await clock.pass(30_000)
  assert.deepEqual(sent, [15, 15, 15])
})

test("what I marked unread stays unread", async () => {
  const { it, clock, sent } = reading()
  it.saw(15)
  it.pause()
  it.saw(16)
  await clock.pass(10_000)
  await settled()
  assert.deepEqual(sent, [])
})
