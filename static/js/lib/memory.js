// What the tab remembers as long as it lives. Where the browser refuses (private modes) or is full, this page does alone.
const loose = new Map()

export const memory = {
  load: (name) => loose.get(name) ?? attempt(() => sessionStorage.getItem(name)),
  save(name, text) {
    loose.set(name, text)
    attempt(() => { sessionStorage.setItem(name, text); loose.delete(name) })
  },
  forget(beginning) {
    for (const name of [...loose.keys(), ...attempt(() => Object.keys(sessionStorage)) ?? []]) {
      if (!name.startsWith(beginning)) continue
      loose.delete(name)
      attempt(() => sessionStorage.removeItem(name))
    }
  },
}

function attempt(work) {
  try { return work() } catch { return null }
}
