// Names, pictures and presence of people, wherever on the page they stand.

// Draw a person everywhere where an older version of them stands.
export function redrawPerson(person, root = document) {
  for (const name of root.querySelectorAll(`[data-person-name="${person.id}"]`)) {
    if (Number(name.dataset.v) >= person.v) continue
    name.textContent = person.name
    name.dataset.v = person.v
  }
  for (const avatar of root.querySelectorAll(`[data-person-avatar="${person.id}"]`)) {
    if (Number(avatar.dataset.v) < person.v) redrawAvatar(avatar, person)
  }
}

function redrawAvatar(avatar, person) {
  const presence = avatar.querySelector(".avatar__presence")
  const picture = avatar.querySelector("img")
  if (person.avatar_url) {
    const image = picture ?? Object.assign(document.createElement("img"), { className: "avatar__picture", alt: "" })
    if (image.getAttribute("src") !== person.avatar_url) image.src = person.avatar_url
    avatar.replaceChildren(image)
  } else if (person.initials) {
    const isShort = avatar.classList.contains("avatar--xs")
    avatar.replaceChildren(isShort ? [...person.initials][0] : person.initials)
  } else if (picture) {
    avatar.replaceChildren(initials(person.name))
  } else {
    return // a message's author comes without initials; they follow with the next page
  }
  if (presence) avatar.append(presence)
  avatar.dataset.v = person.v
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean)
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] ?? "").join("").toUpperCase()
}

export function redrawPresence(user, state, root = document) {
  for (const dot of root.querySelectorAll(`[data-person-presence="${user}"]`)) draw(dot, state)
}

export function redrawEveryPresence(stateOf, root = document) {
  for (const dot of root.querySelectorAll("[data-person-presence]")) draw(dot, stateOf(Number(dot.dataset.personPresence)))
}

function draw(dot, state) {
  dot.className = `avatar__presence${state === "online" ? "" : ` avatar__presence--${state}`}`
}

export function nameOf(user) {
  return document.querySelector(`[data-person-name="${user}"]`)?.textContent
}
