import { Controller } from "@hotwired/stimulus"
import { draft } from "parley/lib/draft"
import { el } from "parley/lib/element"
import { live } from "parley/lib/live"
import { refresh } from "parley/lib/page"
import { redrawRoom } from "parley/lib/room_on_page"

let scrolled = 0

// The places one can go to, with how much waits in each.
export default class extends Controller {
  static targets = ["rooms"]

  connect() {
    live.sidebar = this
    const scroller = this.element.querySelector(".sidebar__scroll")
    if (scroller) {
      scroller.scrollTop = scrolled
      scroller.addEventListener("scroll", () => { scrolled = scroller.scrollTop }, { passive: true })
    }
    this.#drawTitle()
  }

  disconnect() {
    if (live.sidebar === this) live.sidebar = null
  }

  // The cursors of the streams that the whole page stands for.
  follow(name, cursor) { this.element.dataset[name] = cursor }

  draw(copy) {
    const counted = { unread: copy.unread, mentions: copy.mentions, position: copy.position, v: copy.positions.of(copy.id).v }
    const place = this.#place(copy.id)
    if (place) {
      Object.assign(place.dataset, counted)
      drawBadge(place.querySelector(".badge"), copy)
    }
    if (live.room?.id === copy.id) live.room.element.dataset.position = copy.position
    this.#drawTitle()
  }

  redraw(room) {
    redrawRoom(room)
    const place = this.#place(room.id)
    if (!place) return
    place.querySelector("use").setAttribute("href", `#icon-${room.archived ? "archive" : room.kind === "private" ? "lock" : "hash"}`)
    this.#sort(place.closest("li"))
  }

  add(item) {
    const { roomId } = item.querySelector(".place").dataset
    const own = document.importNode(item, true)
    own.querySelector(".place").removeAttribute("aria-current")
    this.#place(roomId)?.closest("li").remove()
    this.#sort(own)
    this.element.querySelector(".sidebar__none")?.remove()
    this.#drawTitle()
    if (live.room?.id === Number(roomId) && !live.room.isMember) refresh()
  }

  remove(id) {
    this.#place(id)?.closest("li").remove()
    this.#drawTitle()
  }

  // The connection goes first: told that its session has ended it would lead to the door, and the answer to the form, with
  // which the browser forgets what it kept, would be lost.
  signOut() {
    draft.clear()
    live.leave()
  }

  #place(id) { return this.element.querySelector(`.place[data-room-id="${id}"]`) }

  // By name, as the server does; what is archived stays at the end.
  #sort(item) {
    const rank = (li) => (li.querySelector('use[href$="archive"]') ? "1" : "0") + li.querySelector("[data-room-name]").textContent
    const next = [...this.roomsTarget.children].find((li) => li !== item && rank(li) > rank(item))
    this.roomsTarget.insertBefore(item, next ?? null)
  }

  #drawTitle() {
    const places = [...this.element.querySelectorAll(".place[data-room-id]")]
    const mentions = places.reduce((sum, { dataset }) => sum + Number(dataset.mentions), 0)
    const plain = document.title.replace(/^(\(\d+\)|•) /, "")
    const mark = mentions ? `(${mentions}) ` : places.some(({ dataset }) => Number(dataset.unread)) ? "• " : ""
    if (document.title !== mark + plain) document.title = mark + plain
  }
}

function drawBadge(badge, { unread, mentions }) {
  const count = mentions || unread
  badge.hidden = !count
  badge.classList.toggle("badge--quiet", !mentions)
  badge.replaceChildren(...(count ? [count < 100 ? String(count) : "99+", el("span", { class: "visually-hidden" }, mentions ? " for you" : " unread")] : []))
}
