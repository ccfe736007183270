import "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Stream } = await import("parley/models/stream")

function stream(cursor = 5) {
  const applied = [], asked = []
  const it = new Stream(cursor, { apply: (frame) => applied.push(frame.seq), ask: () => asked.push(it.cursor) })
  return { it, applied, asked }
}

test("the next frame is applied and moves the cursor", () => {
  const { it, applied } = stream()
  it.receive({ seq: 6 })
  it.receive({ seq: 7 })
  assert.deepEqual([applied, it.cursor], [[6, 7], 7])
})

test("a repeat is ignored", () => {
  const { it, applied } = stream()
  it.receive({ seq: 5 })
  it.receive({ seq: 6 })
  it.receive({ seq: 6 })
  assert.deepEqual(applied, [6])
})

test("nogap: a frame from beyond a gap is held, and what is missing is asked for", () => {
  const { it, applied, asked } = stream()
  it.receive({ seq: 7 })
  assert.deepEqual([applied, asked, it.cursor, it.isBehind], [[], [5], 5, true])
  it.receive({ seq: 6 })
  assert.deepEqual([applied, it.cursor, it.isBehind], [[6, 7], 7, false])
})

test("held frames are applied in order, up to the next gap", () => {
  const { it, applied } = stream()
  for (const seq of [9, 7, 8, 11]) it.receive({ seq })
  it.receive({ seq: 6 })
  assert.deepEqual([applied, it.isBehind], [[6, 7, 8, 9], true])
  it.receive({ seq: 10 })
  assert.deepEqual(applied, [6, 7, 8, 9, 10, 11])
})

test("at most 200 frames are held; the rest is known of and not forgotten", () => {
  const { it, applied } = stream(0)
  for (let seq = 2; seq <= 400; seq++) it.receive({ seq })
  it.receive({ seq: 1 })
  assert.equal(applied.length, 201)
  assert.equal(it.isBehind, true)
  for (let seq = 202; seq <= 400; seq++) it.receive({ seq })
  assert.deepEqual([it.cursor, it.isBehind], [400, false])
})

test("an announced number is missing until it came", () => {
  const { it } = stream()
  it.know(8)
  it.know(3)
  assert.equal(it.isBehind, true)
  for (const seq of [6, 7, 8]) it.receive({ seq })
  assert.equal(it.isBehind, false)
})

test("with the connection go the held frames and what it announced", () => {
  const { it, applied } = stream()
  it.receive({ seq: 8 })
  it.know(20)
  it.disconnected()
  assert.equal(it.isBehind, false)
  for (const seq of [6, 7]) it.receive({ seq })
  assert.deepEqual(applied, [6, 7])
})

test("a frame that drops the copy is the last one", () => {
  const applied = []
  const it = new Stream(5, { apply: (frame) => { applied.push(frame.seq); if (frame.seq === 6) it.close() }, ask() {} })
  it.receive({ seq: 7 })
  it.receive({ seq: 6 })
  it.receive({ seq: 7 })
  it.receive({ seq: 8 })
  assert.deepEqual(applied, [6])
})
