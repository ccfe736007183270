// What a websocket does, over an event stream and requests: for networks that let no websocket through. Loaded when needed.
const ANSWER_WITHIN = 10_000
const SILENCE = 40_000 // the server says something every 15 s
const PROBE_EVERY = 120_000
const PROBE_TAKES = 4000

export class EventLine {
  #request = null
  #probing = null
  isOpen = false

  // name  of this tab's stream, for requests about it
  // on    {opened(), event(name, payload), pinged(), closed(code), freed()}; freed: a websocket comes through after all
  constructor(name, on) {
    Object.assign(this, { name, on })
    this.#probing = setInterval(() => this.probe(), PROBE_EVERY)
  }

  async open() {
    if (this.#request) return
    const request = this.#request = new AbortController()
    let code = null
    try {
      const headers = { Accept: "text/event-stream" }
      const answer = await fetch(`/api/v1/events?presence=${this.name}`, { headers, cache: "no-store", signal: request.signal })
      if (answer.ok) await this.#follow(answer.body.getReader(), request)
      else code = (await answer.json()).code
    } catch { /* it ends like that, or never began: what follows is the same */ }
    if (this.#request === request) this.#ended(code)
  }

  close() {
    const request = this.#request
    if (!request) return
    this.#ended(null)
    request.abort()
  }

  // The websocket is back: this line is not used again.
  leave() {
    clearInterval(this.#probing)
    this.close()
  }

  // The answer, as a websocket would be given it; null when there was none.
  async ask(event, payload) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content }
    const body = JSON.stringify(event === "here" ? { ...payload, presence: this.name } : payload)
    const request = { method: "POST", headers, body, signal: AbortSignal.timeout(ANSWER_WITHIN) }
    return fetch(`/api/v1/do/${event}`, request).then((answer) => answer.json()).catch(() => null)
  }

  probe() {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`)
    const timer = setTimeout(() => socket.close(), PROBE_TAKES)
    socket.onmessage = () => { clearTimeout(timer); socket.close(); this.on.freed() } // open alone is not enough: some let nothing through
  }

  async #follow(reader, request) {
    this.isOpen = true
    this.on.opened()
    const decoder = new TextDecoder()
    let rest = ""
    for (;;) {
      const timer = setTimeout(() => request.abort(), SILENCE)
      const { value, done } = await reader.read().finally(() => clearTimeout(timer))
      if (done || this.#request !== request) return
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n")
      rest = blocks.pop()
      for (const block of blocks) if (this.#request === request) this.#take(block)
    }
  }

  #take(block) {
    const { event, data } = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)))
    if (event) this.on.event(event, JSON.parse(data))
    else this.on.pinged()
  }

  #ended(code) {
    this.#request = null
    this.isOpen = false
    this.on.closed(code)
  }
}
