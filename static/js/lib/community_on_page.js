// The name and the accent of the community, wherever on the page they stand.

export function redrawCommunity({ name, hue }) {
  const shown = document.querySelector("[data-community]")
  if (!shown) return
  const end = ` · ${shown.textContent}`
  if (document.title.endsWith(end)) document.title = document.title.slice(0, -end.length) + ` · ${name}`
  for (const element of document.querySelectorAll("[data-community]")) element.textContent = name
  const accent = document.querySelector('link[href^="/static/accent-"]')
  const href = `/static/accent-${hue}.css`
  if (accent && accent.getAttribute("href") !== href) accent.setAttribute("href", href)
}
