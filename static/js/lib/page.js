import * as Turbo from "@hotwired/turbo"

// What a page says of itself, and ways to leave it.

// The cursors and counts that this page's content stands for.
export function readPage(app) {
  const sidebar = app.querySelector("#sidebar")
  return {
    epoch: app.dataset.liveEpochValue,
    me: Number(app.dataset.liveUserIdValue),
    user: { name: sidebar.dataset.userStream, cursor: Number(sidebar.dataset.userCursor) },
    site: Number(sidebar.dataset.siteCursor),
    blocks: { mute: numbers(app.dataset.mute), block: numbers(app.dataset.block) },
    rooms: [...sidebar.querySelectorAll(".place[data-room-id]")].map(readPlace),
  }
}

const numbers = (text) => (text ? text.split(",").map(Number) : [])

export function readPlace({ dataset }) {
  const { roomId, cursor, position, v, unread, mentions } = dataset
  return { id: Number(roomId), cursor: Number(cursor), position: Number(position), v: Number(v), unread: Number(unread), mentions: Number(mentions) }
}

// Load this page again, in its place in the history; the socket stays.
export function refresh() {
  forgetPages()
  Turbo.visit(location.pathname + location.search, { action: "replace" })
}

// Begin afresh: another database, or another person. Not everybody in the same moment.
export function restart(within = 0) {
  setTimeout(() => location.reload(), Math.random() * within)
}

export function goTo(path, options) { Turbo.visit(path, options) }

// Nothing that was shown so far comes back from Turbo's cache, nor what is shown now.
export function forgetPages() {
  Turbo.cache.clear()
  Turbo.cache.exemptPageFromCache()
}

export function signIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
}
