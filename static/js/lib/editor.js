import { draft } from "parley/lib/draft"
import { page } from "parley/lib/html"
import { live } from "parley/lib/live"
import { refusal, toast } from "parley/lib/toast"

// A message being edited, in its own place. The form is the server's, from a template on the page.

export async function openEditor(message) {
  if (!message.matches(".message--mine") || message.querySelector("[data-edit-form]")) return
  const { id, rev } = message.dataset
  const text = message.dataset.text ?? await textOf(id)
  if (text === null) return toast("This message cannot be edited now. Try again in a moment.", { isDanger: true })
  const form = live.room.element.querySelector("[data-room-target=editor]").content.firstElementChild.cloneNode(true)
  const { activeElement } = document
  form.goBack = () => (activeElement?.id === "text" ? activeElement : document.getElementById(`message-${id}`)).focus({ preventScroll: true })
  form.action = `/messages/${id}/edit`
  Object.assign(form.dataset, { id, rev })
  form.elements.text.value = draft.of(live.me, placeOf(form)) || text
  form.addEventListener("input", () => draft.keep(live.me, placeOf(form), form.elements.text.value))
  const body = message.querySelector(".message__body")
  body.before(form)
  body.hidden = true
  message.classList.add("message--editing")
  form.elements.text.focus()
  form.elements.text.setSelectionRange(-1, -1)
  form.scrollIntoView({ block: "nearest" })
}

export function closeEditor(form) {
  const message = form.closest(".message")
  form.remove()
  message.classList.remove("message--editing")
  message.querySelector(".message__body").hidden = false
  form.goBack?.()
}

// Saved, or given up. Closed by anything else, what was typed is there when the editor opens again.
export function leaveEditor(form) {
  draft.keep(live.me, placeOf(form), "")
  closeEditor(form)
}

// A message was drawn anew while it is being edited: what was typed stays.
export function moveEditor(form, message) {
  const body = message.querySelector(".message__body")
  if (!body) return // deleted meanwhile
  body.before(form)
  body.hidden = true
  message.classList.add("message--editing")
}

export async function saveEditor(form) {
  const { id, rev } = form.dataset
  const answer = await live.connection.ask("edit", { message: Number(id), text: form.elements.text.value.trim(), rev: Number(rev) })
  if (answer?.ok) return leaveEditor(form)
  const isConflict = answer?.code === "conflict"
  if (isConflict) form.dataset.rev = answer.message?.rev ?? form.closest(".message").dataset.rev // saving again is then a decision
  const error = form.querySelector("[data-edit-error]")
  error.hidden = false
  error.textContent = isConflict ? "It was changed meanwhile. Saving again replaces that." : refusal(answer)
}

// Of another text than this one there is no draft.
const placeOf = ({ dataset: { id, rev } }) => `message:${id}:${rev}`

// As it was typed, from the page that edits it without script.
async function textOf(id) {
  const answer = await fetch(`/messages/${id}/edit`, { headers: { Accept: "text/html" } }).catch(() => null)
  if (!answer?.ok) return null
  return page(await answer.text()).querySelector("textarea[name=text]")?.value ?? null
}
