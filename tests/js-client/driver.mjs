// The official JavaScript client, driven by lines of JSON: one order on each line of the standard input, one line on the
// standard output for whatever happens. tests/system/official.py is the other end.
//
//   {"emit": "message", "payload": {…}, "id": 1, "namespace": "/chat"}   → {"ack": 1, "answer": {…}}
//   whatever the server sends                                           → {"event": "message", "payload": {…}}
import { createInterface } from "node:readline"
import { io } from "socket.io-client"

const [url, cookie, origin, ...namespaces] = process.argv.slice(2)
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)

const sockets = new Map(namespaces.map((namespace) => {
  const extraHeaders = { ...(cookie && { Cookie: cookie }), ...(origin && { Origin: origin }) }
  const socket = io(url + namespace, { transports: ["websocket"], extraHeaders, reconnectionDelay: 100, reconnectionDelayMax: 1000 })
  socket.on("connect", () => say({ event: "connect", payload: { namespace } }))
  socket.on("disconnect", (reason) => say({ event: "disconnect", payload: { namespace, reason } }))
  socket.on("connect_error", (error) => say({ event: "connect_error", payload: { namespace, message: error.message, data: error.data ?? null } }))
  socket.onAny((event, payload) => say({ event, payload }))
  return [namespace, socket]
}))

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { emit, payload, id, namespace } = JSON.parse(line)
  try {
    say({ ack: id, answer: await sockets.get(namespace).timeout(10_000).emitWithAck(emit, payload) })
  } catch (error) {
    say({ ack: id, answer: { ok: false, code: "no answer", message: error.message } })
  }
}).on("close", () => process.exit())
