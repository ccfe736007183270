import { Stream } from "parley/models/stream"

// What this page holds of one room: the content by its versions, and how much is unread at the cursor.
export class RoomCopy {
  #versions = new Map()
  #named = new Map()
  #members = new Map()

  // room     {id, cursor, unread, mentions} as one snapshot of the page gave them
  // me       the id of the person who is looking
  // positions, people, blocks   shared with the other rooms of the page
  // view     {show(copy, frame, isNew), counted(copy), sized(room, by), moved(name, cursor), person(person)}
  // ask()    requests what follows the cursor;  reload() starts the room afresh
  constructor(room, { me, positions, people, blocks, view, ask, reload }) {
    Object.assign(this, { id: room.id, name: `room:${room.id}`, unread: room.unread, mentions: room.mentions, isStale: false })
    Object.assign(this, { me, positions, people, blocks, view, ask, reload })
    this.stream = new Stream(room.cursor, { apply: (frame) => this.apply(frame), ask })
  }

  get cursor() { return this.stream.cursor }
  get position() { return this.positions.of(this.id).seq }

  // Something is on screen that was not drawn by a frame: part of the page, or an older stretch of the timeline.
  hold(id, { v, author, mentions = [], mentionsRoom = false }) {
    const key = `message:${id}`
    if ((this.#versions.get(key) ?? -1) <= v) this.#versions.set(key, v)
    if (!this.#named.has(id)) this.#named.set(id, !this.blocks.silences(author) && (mentionsRoom || mentions.includes(this.me)))
  }

  drop(id) { this.#versions.delete(`message:${id}`) }

  // Frames are state: the cursor has moved already; content is taken unless what is on screen is newer.
  apply(frame) {
    if (frame.event === "message") this.#applyMessage(frame)
    else if (frame.event === "member") this.#applyMember(frame)
    else if (frame.event === "room") this.view.show(this, frame, this.#isNew("room", frame.room.v))
    // A copy that was dropped by its own frame keeps the cursor it was drawn with: it must not look continued.
    if (!this.stream.isClosed) this.view.moved(this.name, this.cursor)
  }

  // A count that fits the cursor, from an answer that ends there; unless my position has moved since it was counted.
  take({ unread, mentions, read }) {
    if (read) this.positions.take(this.id, read)
    if (read && read.v < this.positions.of(this.id).v) this.#recount()
    else Object.assign(this, { unread, mentions, isStale: false })
    this.view.counted(this)
  }

  // My read position moved, here or on another device. The count in the frame is of the number `at`.
  moved({ unread, mentions, at }) {
    if (at === this.cursor) Object.assign(this, { unread, mentions })
    else this.#recount()
    this.view.counted(this)
  }

  #applyMessage(frame) {
    const { message } = frame
    if (this.people.take(message.author)) this.view.person(message.author)
    this.#count(frame)
    this.view.show(this, frame, this.#isNew(`message:${message.id}`, message.v))
  }

  #applyMember(frame) {
    if (this.people.take(frame.user)) this.view.person(frame.user)
    this.#size(frame)
    this.view.show(this, frame, this.#isNew(`member:${frame.user.id}`, frame.v))
    // I begin anew here: what this page shows may come from an earlier membership. Having left is not acted upon: the
    // state may say that I am back, and when I am not, my own stream or `gone` says so.
    if (frame.change === "joined" && frame.user.id === this.me) this.reload()
  }

  // One more or one fewer in the room, by the state. What was before the first frame about somebody, its word tells.
  #size({ change, user, role }) {
    const was = this.#members.get(user.id) ?? change !== "joined"
    const is = role !== null
    this.#members.set(user.id, is)
    if (is !== was) this.view.sized(this.id, is - was)
  }

  #isNew(key, v) {
    if (v < (this.#versions.get(key) ?? -1)) return false
    this.#versions.set(key, v)
    return true
  }

  // By the entry, not by the state: a replay shows a message as it is now, also for the entry that posted it.
  #count({ change, message }) {
    const { author } = message
    const names = !message.deleted_at && !this.blocks.silences(author.id) && (message.mentions_room || (message.mentions ?? []).includes(this.me))
    const named = this.#named.get(message.id)
    this.#named.set(message.id, names)
    if (author.id === this.me || message.seq <= this.position) return
    const unread = this.blocks.hides(author.id) ? 0 : { posted: 1, undeleted: 1, deleted: -1 }[change] ?? 0
    if (change === "posted") this.mentions += names
    else if (named !== undefined) this.mentions += names - named
    else if (this.mentions === 0) this.mentions += names
    else this.#recount()
    this.unread = Math.max(0, this.unread + unread)
    this.mentions = Math.max(0, this.mentions)
    this.view.counted(this)
  }

  // Whom I hear has changed.
  countAnew() {
    this.#named.clear()
    this.#recount()
    this.view.counted(this)
  }

  #recount() {
    if (this.position >= this.cursor) return Object.assign(this, { unread: 0, mentions: 0, isStale: false })
    this.isStale = true
    this.ask()
  }
}
