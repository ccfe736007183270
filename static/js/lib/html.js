// The one place where text becomes elements. It may, because the text is a partial or a page that our own server rendered
// and sanitised; what people type enters the page as text and never comes here.

export function fragment(html) {
  const template = document.createElement("template")
  template.innerHTML = html
  return document.importNode(template.content, true)
}

export function page(html) {
  return new DOMParser().parseFromString(html, "text/html")
}
