// What was typed and not sent, for each room, as long as the tab lives.
const name = (room) => `draft:${room}`

export const draft = {
  of: (room) => sessionStorage.getItem(name(room)) ?? "",
  keep(room, text) {
    if (text) sessionStorage.setItem(name(room), text)
    else sessionStorage.removeItem(name(room))
  },
}
