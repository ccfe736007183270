// The unsent messages of this browser, shared by its tabs. Where the database cannot be used or is full, they stay in
// this tab's memory: then closing it asks first.
const STORE = "outbox"

export class OutboxStore {
  #opening = null
  #loose = new Map()

  async all() {
    const kept = await this.#run("readonly", (store) => store.getAll()).catch(() => [])
    return [...kept, ...this.#loose.values()]
  }

  async add(item) {
    await this.#run("readwrite", (store) => store.add(item)).catch(() => this.#keepLoose(item))
  }

  async put(item) {
    if (this.#loose.has(item.key)) return this.#keepLoose(item)
    await this.#run("readwrite", (store) => store.put(item)).catch(() => this.#keepLoose(item))
  }

  async remove(key) {
    if (this.#loose.delete(key)) return this.#warn()
    await this.#run("readwrite", async (store) => {
      const n = await settled(store.index("key").getKey(key))
      if (n !== undefined) store.delete(n)
    }).catch(() => {})
  }

  #keepLoose(item) {
    this.#loose.set(item.key, item)
    this.#warn()
  }

  #warn() { window.onbeforeunload = this.#loose.size ? (event) => event.preventDefault() : null }

  async #run(mode, work) {
    const database = await (this.#opening ??= open())
    const transaction = database.transaction(STORE, mode)
    const result = await settled(work(transaction.objectStore(STORE)))
    if (mode === "readwrite") await finished(transaction)
    return result
  }
}

// `n` is given by the database, so the messages of all tabs have one order.
function open() {
  const request = indexedDB.open("parley", 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore(STORE, { keyPath: "n", autoIncrement: true }).createIndex("key", "key", { unique: true })
  }
  return settled(request)
}

function settled(request) {
  if (!(request instanceof IDBRequest)) return request
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve
    transaction.onabort = transaction.onerror = () => reject(transaction.error)
  })
}
