// Ask in the page's own dialog. Resolves to true or false; without the dialog, the browser asks.
export function confirm(question, { label = "Yes", about = null } = {}) {
  const dialog = document.getElementById("confirm")
  if (!dialog) return Promise.resolve(window.confirm(question))
  dialog.querySelector("[data-confirm-question]").textContent = question
  dialog.querySelector("[data-confirm-yes]").textContent = label
  const body = dialog.querySelector("[data-confirm-about]")
  body.hidden = !about
  body.replaceChildren(...(about ? [about] : []))
  dialog.returnValue = ""
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      body.replaceChildren()
      resolve(dialog.returnValue === "yes")
    }, { once: true })
  })
}
