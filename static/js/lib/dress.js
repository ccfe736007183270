import { el } from "parley/lib/element"
import { live } from "parley/lib/live"
import { redrawPerson } from "parley/lib/people_on_page"
import { localise } from "parley/lib/time"

// The server draws messages for nobody in particular. Here they become those of the person who is looking.
export function dress(root, { isModerator, toolsTarget }) {
  for (const message of root.querySelectorAll(".message[data-author-id]")) {
    const author = Number(message.dataset.authorId)
    const isMine = author === live.me
    const mentions = (message.dataset.mentions ?? "").split(",").map(Number)
    message.classList.toggle("message--mine", isMine)
    message.classList.toggle("message--may-delete", isMine || isModerator)
    if (!isMine && !isModerator) message.querySelector("a.message__edited")?.replaceWith(el("span", { class: "message__edited" }, "edited"))
    if (message.matches("[data-id]:not(.message--deleted)") && !message.querySelector(":scope > .message__tools")) equip(message, toolsTarget)
    fold(message, live.session.blocks.hides(author))
    message.classList.toggle("message--mentions-me", !isMine && !live.session.blocks.silences(author) && (message.dataset.mentionsRoom === "true" || mentions.includes(live.me)))
  }
  localise(root)
  // A frame is as old as its transaction: a name may have changed since.
  const shown = new Set([...root.querySelectorAll("[data-person-name]")].map((name) => Number(name.dataset.personName)))
  for (const id of shown) if (live.session.people.of(id)) redrawPerson(live.session.people.of(id), root)
}

// What somebody wrote whom I muted stays in its place, and shows when I ask.
function fold(message, isMuted) {
  const way = message.querySelector(":scope > .message__unmute")
  message.classList.toggle("message--muted", isMuted)
  if (!isMuted) way?.remove()
  else if (!way && message.dataset.id) {
    const link = el("a", { class: "message__unmute", href: `#message-${message.dataset.id}`, "data-action": "click->message#unfold" }, "Muted: show")
    message.querySelector(":scope > .message__body")?.before(link)
  }
}

// A frame brings a message without its tools, which are the same for all but for three values.
function equip(message, template) {
  const tools = template.content.firstElementChild.cloneNode(true)
  const path = message.querySelector("a.message__time").getAttribute("href")
  for (const link of tools.querySelectorAll("a")) {
    link.setAttribute("href", link.getAttribute("href").replace("PATH", path).replace("ID", message.dataset.id))
  }
  tools.querySelector("[name=seq]").value = message.dataset.seq
  message.append(tools)
}
