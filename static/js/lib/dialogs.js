import { confirm } from "parley/lib/confirm"
import { isOpen, isTyping } from "parley/lib/element"

// What opens over any page: dialogs by their buttons and keys, and the question before something that cannot be undone.

export function openDialog(id) {
  const dialog = document.getElementById(id)
  if (!dialog || dialog.open) return false
  document.querySelectorAll(":popover-open").forEach((popover) => popover.hidePopover())
  dialog.showModal()
  dialog.dispatchEvent(new CustomEvent("parley:open"))
  return true
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]")
  if (opener && openDialog(opener.dataset.dialog)) event.preventDefault()
  if (event.target.matches("dialog[open]") && isOutside(event)) event.target.close()
  event.target.closest(".menu[popover] a")?.closest("[popover]").hidePopover()
})

document.addEventListener("keydown", (event) => {
  const isCommand = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey
  if (isCommand && event.key.toLowerCase() === "k") {
    if (openDialog("jump")) event.preventDefault()
  } else if (event.key === "?" && !isTyping(event.target) && !isOpen()) {
    if (openDialog("keys")) event.preventDefault()
  }
})

// Before Turbo and the form itself hear of it.
document.addEventListener("submit", async (event) => {
  const form = event.target
  const { confirm: question, confirmAbout: about, confirmLabel: label, isConfirmed } = form.dataset
  if (!question || isConfirmed) return delete form.dataset.isConfirmed
  event.preventDefault()
  event.stopPropagation()
  const { submitter } = event
  if (!await confirm(question, { label, about })) return submitter?.focus()
  form.dataset.isConfirmed = "yes"
  form.requestSubmit(submitter)
}, true)

// Pages are kept as they were without what stood open over them.
document.addEventListener("turbo:before-cache", () => {
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close())
  document.querySelectorAll(":popover-open").forEach((popover) => popover.hidePopover())
})

function isOutside({ target, clientX, clientY }) {
  const { left, right, top, bottom } = target.getBoundingClientRect()
  return clientX < left || clientX > right || clientY < top || clientY > bottom
}
