// The name, topic and size of a room, wherever on the page they stand.

export function redrawRoom({ id, kind, name, topic }) {
  for (const element of document.querySelectorAll(`[data-room-name="${id}"]`)) element.textContent = name
  for (const element of document.querySelectorAll(`[data-room-topic="${id}"]`)) element.textContent = element.title = topic
  const section = document.querySelector(`.room[data-room-id="${id}"]`)
  if (section) rename(section, kind === "private" ? name : `#${name}`)
}

// Its own page says the name in more places, always in the same words.
function rename(section, name) {
  const old = section.getAttribute("aria-label")
  document.title = document.title.replace(`${old} · `, () => `${name} · `)
  const set = (selector, more) => { for (const element of document.querySelectorAll(selector)) Object.assign(element, more) }
  section.ariaLabel = name
  set(".room .timeline", { ariaLabel: `Messages in ${name}` })
  set("form.composer", { ariaLabel: `Message ${name}` })
  set("#text", { placeholder: `Message ${name}` })
  set(".timeline .empty__title", { textContent: `${name} starts here` })
}

export function resizeRoom(id, by) {
  for (const count of document.querySelectorAll(`[data-room-members="${id}"]`)) {
    count.textContent = Number(count.textContent) + by
    count.nextElementSibling.textContent = count.textContent === "1" ? " person" : " people"
  }
}
