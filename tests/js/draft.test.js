import "./parley.js"
import assert from "node:assert/strict"
import test from "node:test"

const { draft } = await import("parley/lib/draft")

class Storage {
  setItem(name, text) { this[name] = text }
  getItem(name) { return this[name] ?? null }
  removeItem(name) { delete this[name] }
}

function inTab(storage, work) {
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get: typeof storage === "function" ? storage : () => storage })
  work()
}

const forbidden = () => { throw new Error("SecurityError") }
const full = Object.assign(Object.create({ setItem: forbidden, getItem: () => null, removeItem() {} }))

for (const [words, storage] of [["kept by the tab", new Storage()], ["kept by the page where there is no storage", forbidden], ["and where it is full", full]]) {
  test(`a draft belongs to a person and a place: ${words}`, () => inTab(storage, () => {
    draft.keep(1, 7, "of Alice")
    assert.deepEqual([draft.of(1, 7), draft.of(1, 8), draft.of(2, 7)], ["of Alice", "", ""])
    draft.keep(1, 7, "")
    assert.equal(draft.of(1, 7), "")
  }))

  test(`signing out clears the drafts, and only them: ${words}`, () => inTab(storage, () => {
    draft.keep(1, 7, "one")
    draft.keep(1, "message:3:1", "two")
    draft.clear()
    assert.deepEqual([draft.of(1, 7), draft.of(1, "message:3:1")], ["", ""])
  }))
}
