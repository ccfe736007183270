import { Manager } from "socket.io-client"
import { newKey } from "parley/lib/key"
import { Backoff } from "parley/models/backoff"
import { Pulse } from "parley/models/pulse"

const ANSWER_WITHIN = 10_000
const RESUMES_WITHIN = 60_000 // thousands may ask at the same time, and to ask again would only make the line longer
const RESUME_IN_SILENCE = 12_000
const CONNECTS_WITHIN = 4000
const REACHES_WITHIN = 3000
const RESTART_TAKES = 30_000
const PATIENCE = 3 // websockets that cannot be had while the server answers: then an event stream does
const EVENTS = ["hello", "message", "member", "room", "me", "site", "tick", "subscribed", "reset", "gone"]
const PRESENCE_EVENTS = ["typing", "presence"]

// The one socket of this tab, with its two namespaces, or the event stream that stands in for it. It lives as long as the
// tab and survives every visit. Coming back is ours to pace: the server may say when, and a person may say now.
export class Connection {
  #backoff = new Backoff({ base: 500, least: 100, eagerly: 10, soon: 1500, cap: 8000 })
  #pulse = new Pulse({ reaches: () => isReached(REACHES_WITHIN), dead: () => this.#giveUp() })
  #arrived = () => {} // the server has let me in, or has not
  #timer = null
  #isWanted = false
  #comeBackAt = 0
  #failures = 0
  #isProven = false // websockets have come through here before
  #isThrough = false // the websocket is there, whether or not I have been let in
  #events = null // instead of the socket, where none comes through
  state = "connecting" // connecting, online, offline, restarting
  heardAt = Date.now()

  // on  {connected(), disconnected(), event(name, payload), presence(name, payload), presenceConnected(), refused(code), rights(), state(name)}
  constructor(on) {
    this.on = on
    const manager = new Manager(location.origin, { path: "/socket.io/", transports: ["websocket"], reconnection: false, autoConnect: false, timeout: CONNECTS_WITHIN })
    this.chat = manager.socket("/chat")
    this.presence = manager.socket("/presence")
    manager.on("open", () => { this.#heard(); this.#isThrough = true; this.#arrived = this.#pulse.asked() })
    manager.on("close", () => { this.#isThrough = false })
    manager.on("ping", () => this.#heard())
    manager.on("ping", () => this.on.pinged())
    this.chat.on("connect", () => this.#connected())
    this.chat.on("disconnect", () => this.#lost())
    this.chat.on("connect_error", (error) => this.#failed(error))
    this.chat.on("bye", (payload) => this.#bye(payload))
    for (const name of EVENTS) this.chat.on(name, (payload) => { this.#heard(); this.on.event(name, payload) })
    this.presence.on("connect", () => this.on.presenceConnected())
    for (const name of PRESENCE_EVENTS) this.presence.on(name, (payload) => { this.#heard(); this.on.presence(name, payload) })
    addEventListener("online", () => { this.retry(); this.#events?.probe() })
    addEventListener("offline", () => this.#leave()) // else the socket hangs until a ping is missed, half a minute later
    addEventListener("pageshow", (event) => { if (event.persisted) this.retry() })
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.retry() })
  }

  get isOnline() { return this.#events ? this.#events.isOpen : this.chat.connected }

  open() {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#attempt()
  }

  close() {
    this.#isWanted = false
    clearTimeout(this.#timer)
    this.#leave()
  }

  // Somebody wants it now, or the network is back.
  retry() {
    if (!this.#isWanted || this.isOnline || this.#comeBackAt > Date.now()) return
    this.#backoff.reset()
    this.#attempt()
  }

  // The acknowledgement, or null when there is none: the connection ended, or nobody answered in time.
  async ask(event, payload) {
    if (!this.isOnline) return null
    if (this.#events) return this.#events.ask(event, payload)
    const [within, patience] = event === "resume" ? [RESUMES_WITHIN, RESUME_IN_SILENCE] : [ANSWER_WITHIN]
    return this.#watched(patience, this.chat.timeout(within).emitWithAck(event, payload))
  }

  // May be lost. Whoever only reads notices by it that nobody hears them any more.
  async tell(event, payload) {
    if (this.#events?.isOpen) return this.#events.ask(event, payload)
    return this.presence.connected ? this.#watched(undefined, this.presence.timeout(ANSWER_WITHIN).volatile.emitWithAck(event, payload)) : null
  }

  async #watched(patience, asked) {
    const answered = this.#pulse.asked(patience)
    const answer = await asked.catch(() => null)
    answered()
    if (answer) this.#heard()
    return answer
  }

  #attempt() {
    clearTimeout(this.#timer)
    if (this.#events) return this.#events.open()
    for (const socket of [this.chat, this.presence]) {
      const isAsking = this.#isThrough && socket.active // to ask again on the same websocket would be refused
      if (!isAsking) socket.connect()
    }
  }

  #connected() {
    this.#heard()
    this.#arrived()
    this.#isProven ||= !this.#events
    this.#backoff.reset()
    this.#comeBackAt = this.#failures = 0
    this.#become("online")
    this.on.connected()
  }

  #lost() {
    this.#away()
    this.on.disconnected()
  }

  // Nothing comes through; whether the connection is there is no matter then.
  #giveUp() {
    const wasOnline = this.isOnline
    this.#leave()
    if (!wasOnline) this.#away()
  }

  // The server may refuse a namespace, which is about me; everything else is about the way there.
  #failed(error) {
    this.#arrived()
    if (!this.chat.active && this.#isWanted) {
      const code = error.data?.code ?? error.message
      if (code !== "busy" && code !== "rate_limited") {
        this.#isWanted = false
        return this.on.refused(code)
      }
    }
    this.#away()
    this.#failures += error.message === "timeout" ? PATIENCE : 1 // what hangs once hangs again, and each time for long
    if (this.#failures >= PATIENCE) this.#fallBack()
  }

  #away() {
    const isRestarting = this.state === "restarting" && Date.now() < this.#comeBackAt + RESTART_TAKES
    this.#pulse.ended()
    this.#become(isRestarting ? "restarting" : "offline")
    this.#later()
  }

  #bye({ reason, after_ms: after = 0 }) {
    if (reason === "revoked" || reason === "expired") {
      this.#isWanted = false
      return this.on.refused("unauthorized")
    }
    if (reason === "rights") return this.on.rights()
    this.#comeBackAt = Date.now() + after
    this.#become("restarting")
    setTimeout(() => { if (this.state === "restarting" && this.isOnline) this.#leave() }, after)
  }

  #leave() {
    this.chat.disconnect()
    this.presence.disconnect()
    this.#events?.close()
  }

  // Everything but websockets comes through: something on the way does not know them. If they have come through before, the
  // network may just have come back, and they are tried once more.
  async #fallBack() {
    const isHere = await isReached(CONNECTS_WITHIN)
    if (isHere && this.#isProven) {
      this.#isProven = false
      return this.retry()
    }
    const { EventLine } = isHere ? await import("parley/lib/event_line").catch(() => ({})) : {}
    if (!EventLine || this.#events || this.isOnline || !this.#isWanted) return
    this.#leave()
    this.#events = new EventLine(newKey(), {
      opened: () => { this.#connected(); this.on.presenceConnected() },
      event: (name, payload) => {
        this.#heard()
        if (name === "bye") this.#bye(payload)
        else if (PRESENCE_EVENTS.includes(name)) this.on.presence(name, payload)
        else if (EVENTS.includes(name)) this.on.event(name, payload)
      },
      pinged: () => { this.#heard(); this.on.pinged() },
      closed: (code) => this.#closed(code),
      freed: () => this.#freed(),
    })
    this.#attempt()
  }

  #closed(code) {
    if (code !== "unauthorized" && code !== "forbidden") return this.#lost()
    this.#isWanted = false
    this.on.disconnected()
    this.on.refused(code)
  }

  #freed() {
    const events = this.#events
    this.#events = null
    events?.leave()
    if (this.#isWanted) this.#attempt()
  }

  #later() {
    if (!this.#isWanted) return
    clearTimeout(this.#timer)
    const pause = Math.max(this.#backoff.next(), this.#comeBackAt - Date.now() + Math.random() * 200)
    this.#timer = setTimeout(() => this.#attempt(), pause)
  }

  #heard() { this.heardAt = Date.now() }

  #become(state) {
    this.state = state
    this.on.state(state)
  }
}

async function isReached(within) {
  const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(within) }).catch(() => null)
  return Boolean(answer?.ok)
}
