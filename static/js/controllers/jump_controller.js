import { Controller } from "@hotwired/stimulus"
import { el } from "parley/lib/element"
import { page } from "parley/lib/html"
import { goTo } from "parley/lib/page"

const PAUSE = 150
const MOST = 8

// Go to a room or a person by a few letters. Rooms are those of the sidebar; people are asked for.
export default class extends Controller {
  static targets = ["input", "list", "none"]

  connect() {
    this.element.addEventListener("parley:open", () => this.#open())
    this.listTarget.addEventListener("click", (event) => this.#choose(event.target.closest("[role=option]")))
    if (this.element.open) this.find() // it is what this was loaded for
  }

  close() { this.element.close() }

  find() {
    const words = this.inputTarget.value.trim().toLowerCase().replace(/^[#@]/, "")
    this.#draw(words, [])
    clearTimeout(this.asking)
    if (words) this.asking = setTimeout(() => this.#findPeople(words), PAUSE)
  }

  key(event) {
    if (event.key === "Escape") {
      event.preventDefault() // it would only empty the field
      return this.close()
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const { options } = this
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true")
    this.#select(options[(at + step + options.length) % options.length])
  }

  go(event) {
    const chosen = this.listTarget.querySelector("[aria-selected=true]")
    if (!chosen) return this.close() // the form looks through all rooms
    event.preventDefault()
    this.#choose(chosen)
  }

  get options() { return [...this.listTarget.querySelectorAll("[role=option]")] }

  #open() {
    this.inputTarget.value = ""
    this.find()
  }

  #choose(option) {
    if (!option) return
    this.close()
    goTo(option.dataset.href)
  }

  #select(option) {
    for (const each of this.options) each.setAttribute("aria-selected", each === option)
    option?.scrollIntoView({ block: "nearest" })
    if (option) this.inputTarget.setAttribute("aria-activedescendant", option.id)
    else this.inputTarget.removeAttribute("aria-activedescendant")
  }

  async #findPeople(words) {
    const answer = await fetch(`/people?q=${encodeURIComponent(words)}`, { headers: { Accept: "text/html" } }).catch(() => null)
    if (!answer?.ok) return
    const people = [...page(await answer.text()).querySelectorAll(".item:has(.item__link)")].slice(0, MOST)
    if (this.inputTarget.value.toLowerCase().includes(words)) this.#draw(words, people)
  }

  #draw(words, people) {
    const rooms = [...document.querySelectorAll("#sidebar .place")]
      .map((place) => ({ place, at: nameOf(place).toLowerCase().indexOf(words) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at)
      .slice(0, words ? MOST : 50)
    const groups = [
      ["Rooms", rooms.map(({ place }) => this.#option(nameOf(place), "", place.getAttribute("href"), place.querySelector("svg")))],
      ["People", people.map((item) => {
        const link = item.querySelector(".item__link")
        return this.#option(link.textContent, item.querySelector(".item__about")?.firstChild.textContent ?? "", link.getAttribute("href"), item.querySelector(".avatar"))
      })],
    ].filter(([, options]) => options.length)
    this.listTarget.replaceChildren(...groups.map(([title, options]) => el("ul", { role: "group", "aria-label": title }, el("li", { class: "jump__heading", role: "presentation" }, title), ...options)))
    this.options.forEach((option, i) => { option.id = `jump-${i}` })
    this.noneTarget.hidden = groups.length > 0
    this.#select(this.options[0])
  }

  #option(title, about, href, mark) {
    const option = el("li", { class: "option", role: "option", "data-href": href }, el("span", { class: "truncate" }, title), el("span", { class: "option__about truncate" }, about))
    if (mark) option.prepend(document.importNode(mark, true))
    return option
  }
}

const nameOf = (place) => place.querySelector(".place__name").textContent
