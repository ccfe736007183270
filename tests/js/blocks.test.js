import "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Blocks } = await import("parley/models/blocks")

function blocks(all) {
  const it = new Blocks()
  if (all) it.take(all)
  return it
}

test("at first everybody is heard", () => {
  const it = blocks()
  assert.deepEqual([it.hides(2), it.silences(2)], [false, false])
})

test("who is muted is folded away, and can still call me", () => {
  const it = blocks({ mute: [2], block: [] })
  assert.deepEqual([it.hides(2), it.silences(2)], [true, false])
})

test("who is blocked is folded away and cannot call me", () => {
  const it = blocks({ mute: [], block: [2] })
  assert.deepEqual([it.hides(2), it.silences(2)], [true, true])
})

test("others are heard as ever", () => {
  const it = blocks({ mute: [2], block: [3] })
  assert.deepEqual([it.hides(4), it.silences(4)], [false, false])
})

test("what comes is all of it: whoever is not in it any more is heard again", () => {
  const it = blocks({ mute: [2], block: [3] })
  it.take({ mute: [3] })
  assert.deepEqual([it.hides(2), it.hides(3), it.silences(3)], [false, true, false])
  it.take()
  assert.equal(it.hides(3), false)
})

test("of both, being blocked counts", () => {
  assert.equal(blocks({ mute: [2], block: [2] }).silences(2), true)
})
