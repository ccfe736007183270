import { Clock, question, settled } from "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { Outbox } = await import("parley/models/outbox")

const HOUR = 3_600_000
const OK = { ok: true, message: {} }

// The store that tabs share.
class Shelf {
  items = []
  next = 1
  async all() { return this.items.map((item) => ({ ...item })) }
  async add(item) { this.items.push({ ...item, n: this.next++ }) }
  async put(item) { this.items = this.items.map((each) => (each.key === item.key ? { ...each, ...item } : each)) }
  async remove(key) { this.items = this.items.filter((item) => item.key !== key) }
}

// A tab: what it sent, in order, and the answers it is given. Several tabs share a shelf and a lock.
function tab({ shelf = new Shelf(), clock = new Clock(), lock, answers = [], isManual = false, others = [] } = {}) {
  const sent = [], asked = []
  const view = { changed() {}, sent: (item) => it.stored.push(item.key), refused: () => it.refusals++ }
  const outbox = new Outbox({
    store: shelf, clock, random: () => 1, view, ...(lock && { lock }),
    announce: () => others.forEach((other) => other.outbox.look().then(() => other.outbox.flush())),
    send: (item) => {
      sent.push(item.key)
      if (!isManual) return Promise.resolve(answers.length ? answers.shift() : OK)
      const { promise, answer } = question()
      asked.push({ key: item.key, answer: async (value) => { answer(value); await settled() } })
      return promise
    },
  })
  const it = { outbox, shelf, clock, sent, asked, stored: [], refusals: 0, write: (key, room = 1) => outbox.post({ key, room, text: key }) }
  return it
}

async function online(options) {
  const it = tab(options)
  await it.outbox.open(1)
  await it.outbox.connected()
  return it
}

test("a message is among the waiting ones at once, and gone when it is stored", async () => {
  const { outbox, write, sent, shelf } = await online()
  const done = write("a")
  assert.deepEqual(outbox.of(1).map((item) => item.state), ["waiting"])
  await done
  await settled()
  assert.deepEqual([sent, outbox.items, shelf.items], [["a"], [], []])
})

test("messages of a room go in the order in which they were written", async () => {
  const { write, sent } = await online()
  for (const key of ["a", "b", "c", "d"]) write(key)
  await settled()
  assert.deepEqual(sent, ["a", "b", "c", "d"])
})

test("pipelined: the next waits until the one before is answered", async () => {
  const { write, sent, asked } = await online({ isManual: true })
  write("a")
  write("b")
  await settled()
  assert.deepEqual(sent, ["a"])
  await asked[0].answer(OK)
  assert.deepEqual(sent, ["a", "b"])
})

test("rooms do not wait for one another's pauses", async () => {
  const { write, sent } = await online({ answers: [{ ok: false, code: "busy" }] })
  write("a", 1)
  await settled()
  write("b", 2)
  await settled()
  assert.deepEqual(sent, ["a", "b"])
})

test("pipelined: while the first waits for its next try, nothing of that room overtakes it", async () => {
  const { write, sent, clock } = await online({ answers: [{ ok: false, code: "busy", retry_after: 3 }] })
  write("a")
  write("b")
  await settled()
  await clock.pass(2900)
  assert.deepEqual(sent, ["a"])
  await clock.pass(200)
  assert.deepEqual(sent, ["a", "a", "b"])
})

test("nokey: each try carries the key that the message was given when it was written", async () => {
  const { write, sent, clock, stored } = await online({ answers: [null, { ok: false, code: "error" }] })
  write("a")
  await settled()
  await clock.pass(60_000)
  assert.deepEqual([sent, stored], [["a", "a", "a"], ["a"]])
})

test("the pauses are the server's where it names one, else jittered from one to thirty seconds", async () => {
  const { write, sent, clock, outbox } = await online({ answers: Array(9).fill({ ok: false, code: "error" }) })
  write("a")
  await settled()
  const pauses = []
  while (sent.length < 9) {
    const before = sent.length
    const start = clock.time
    while (sent.length === before) await clock.pass(500)
    pauses.push(clock.time - start)
  }
  assert.deepEqual(pauses, [2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000])
  assert.equal(outbox.items[0].state, "waiting")
})

test("a final refusal is shown with its reason, and the next goes on", async () => {
  for (const code of ["forbidden", "not_found", "invalid", "conflict", "too_large", "unknown_event", "something_new"]) {
    const { write, sent, outbox } = await online({ answers: [{ ok: false, code, message: "Because." }] })
    write("a")
    write("b")
    await settled()
    assert.deepEqual(sent, ["a", "b"], code)
    assert.deepEqual(outbox.items.map(({ key, state, reason }) => [key, state, reason]), [["a", "failed", "Because."]])
  }
})

test("a refused one is sent again when its author asks, under the same key", async () => {
  const { write, sent, outbox } = await online({ answers: [{ ok: false, code: "forbidden", message: "" }] })
  write("a")
  await settled()
  await outbox.retry("a")
  await settled()
  assert.deepEqual([sent, outbox.items], [["a", "a"], []])
})

test("a refused one is gone when its author discards it, and not before", async () => {
  const { write, sent, outbox, clock, shelf } = await online({ answers: [{ ok: false, code: "forbidden", message: "" }] })
  write("a")
  await settled()
  await clock.pass(100 * HOUR)
  assert.deepEqual([sent.length, shelf.items.length], [1, 1])
  await outbox.discard("a")
  assert.deepEqual([outbox.items, shelf.items], [[], []])
})

test("unauthorized: it waits until somebody has signed in", async () => {
  const it = await online({ answers: [{ ok: false, code: "unauthorized", message: "" }] })
  it.write("a")
  await settled()
  await it.clock.pass(HOUR)
  assert.deepEqual([it.sent, it.refusals, it.outbox.items[0].state], [["a"], 1, "waiting"])
  await it.outbox.connected()
  await settled()
  assert.deepEqual(it.outbox.items, [])
})

test("offline it waits; the connection sends it, in order", async () => {
  const it = tab()
  await it.outbox.open(1)
  it.write("a")
  it.write("b")
  await it.clock.pass(HOUR)
  assert.deepEqual([it.sent, it.outbox.items.length], [[], 2])
  await it.outbox.connected()
  await settled()
  assert.deepEqual(it.sent, ["a", "b"])
})

test("back online, what got no answer goes at once; what was told to wait waits", async () => {
  const silent = await online({ answers: [null] })
  silent.write("a")
  await settled()
  silent.outbox.disconnected()
  await silent.outbox.connected()
  await settled()
  assert.deepEqual(silent.sent, ["a", "a"])
  const limited = await online({ answers: [{ ok: false, code: "rate_limited", retry_after: 9 }] })
  limited.write("a")
  await settled()
  limited.outbox.disconnected()
  await limited.outbox.connected()
  await settled()
  assert.deepEqual(limited.sent, ["a"])
})

test("after a reload what waited goes on, oldest first, with its keys", async () => {
  const shelf = new Shelf()
  const before = tab({ shelf })
  await before.outbox.open(1)
  before.write("a")
  before.write("b")
  await settled()
  const after = await online({ shelf })
  await settled()
  assert.deepEqual([after.sent, shelf.items], [["a", "b"], []])
})

test("after a day it goes only when asked, and does not hold up the next", async () => {
  const shelf = new Shelf()
  const clock = new Clock()
  const before = tab({ shelf, clock })
  await before.outbox.open(1)
  before.write("old")
  await clock.pass(25 * HOUR)
  const it = await online({ shelf, clock })
  it.write("new")
  await settled()
  assert.deepEqual([it.sent, it.outbox.items.map((item) => it.outbox.isOld(item))], [["new"], [true]])
  await it.outbox.retry("old")
  await settled()
  assert.deepEqual([it.sent, shelf.items], [["new", "old"], []])
})

test("another person's messages wait for that person", async () => {
  const shelf = new Shelf()
  const before = tab({ shelf })
  await before.outbox.open(1)
  before.write("a")
  await settled()
  const other = tab({ shelf })
  await other.outbox.open(2)
  await other.outbox.connected()
  await settled()
  assert.deepEqual([other.sent, other.outbox.items, shelf.items.length], [[], [], 1])
})

// ---- several tabs

// As navigator.locks: one after the other.
function sharedLock() {
  let last = Promise.resolve()
  return (work) => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}

test("one tab sends; the other sees the copies, and sends what is left", async () => {
  const shelf = new Shelf()
  const lock = sharedLock()
  const second = await online({ shelf, lock })
  const first = await online({ shelf, lock, isManual: true, others: [second] })
  first.write("a")
  first.write("b")
  await settled()
  assert.deepEqual([first.sent, second.sent, second.outbox.items.map((item) => item.key)], [["a"], [], ["a", "b"]])
  await first.asked[0].answer(OK)
  await first.asked[1].answer(OK)
  assert.deepEqual([first.sent, second.sent, second.outbox.items], [["a", "b"], [], []])
})

test("a tab that is closed while it sends leaves nothing behind", async () => {
  const shelf = new Shelf()
  const gone = await online({ shelf, isManual: true })
  gone.write("a")
  gone.write("b")
  await settled()
  const next = await online({ shelf }) // the lock went with the tab
  await settled()
  assert.deepEqual([next.sent, shelf.items], [["a", "b"], []])
})

test("without locks two tabs keep the order; sending twice is only waste", async () => {
  const shelf = new Shelf()
  const clock = new Clock()
  const one = await online({ shelf, clock })
  const two = await online({ shelf, clock, others: [one] })
  for (const key of ["a", "b", "c"]) two.write(key)
  await settled()
  for (const { sent } of [one, two]) assert.deepEqual([...new Set(sent)], [...new Set(sent)].sort())
  assert.deepEqual(shelf.items, [])
})

test("a slow look at the shelf does not hide what was written meanwhile", async () => {
  const shelf = new Shelf()
  const it = tab({ shelf })
  await it.outbox.open(1)
  const { promise, answer } = question()
  const all = shelf.all.bind(shelf)
  shelf.all = async () => { const seen = await all(); await promise; return seen }
  const look = it.outbox.look()
  await settled()
  it.write("a")
  await settled()
  answer()
  await look
  assert.deepEqual(it.outbox.items.map((item) => item.key), ["a"])
})
