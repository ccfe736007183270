// Messages that the server refused for good, while their room, where they stand, is not on screen.
export class Refusals {
  #told = new Set()

  // Whom to tell of now, of those that wait. Once is enough when the room can be opened, since they wait there; of one
  // whose room is closed to me every new page tells, until it is discarded.
  news(items, { room, isNewPage = false }) {
    const refused = items.filter(({ state }) => state === "failed")
    const news = refused.filter((item) => item.room !== room && (isNewPage && isLost(item) || !this.#told.has(item.key)))
    this.#told = new Set(refused.map(({ key }) => key))
    return news
  }
}

export const isLost = ({ code }) => code === "not_found"
