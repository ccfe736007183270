// npm socket.io as its documentation shows it: rooms, relaying what it is sent. Knows nobody, stores nothing.
// PORT; PAD: bytes of padding, so that its frames are as large as Parley's; REDIS: address, for several processes.
import http from "node:http"
import { Server } from "socket.io"

const server = http.createServer()
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false })
const html = "x".repeat(Number(process.env.PAD ?? 0))
let id = 0

io.on("connection", (socket) => {
  socket.on("join", ({ room }, answer) => {
    socket.join(room)
    answer({ ok: true })
  })
  socket.on("message", ({ room, text, key }, answer) => {
    id += 1
    io.to(room).emit("message", { stream: `room:${room}`, seq: id, message: { id, room, key, text, created_at: new Date() }, html })
    answer?.({ ok: true, message: { id, room, key } })
  })
})

if (process.env.REDIS) {
  const { createAdapter } = await import("@socket.io/redis-adapter")
  const { createClient } = await import("redis")
  const publisher = createClient({ url: process.env.REDIS })
  const subscriber = publisher.duplicate()
  await Promise.all([publisher.connect(), subscriber.connect()])
  io.adapter(createAdapter(publisher, subscriber))
}
server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 })
