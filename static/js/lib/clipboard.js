// `navigator.clipboard` exists only behind TLS and on localhost; the older way works everywhere.
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "visually-hidden" })
  const { activeElement } = document
  document.body.append(field)
  field.select()
  document.execCommand("copy")
  field.remove()
  activeElement?.focus()
}
