// Light or dark: as the system says, unless a person has said otherwise on this device.
const root = document.documentElement
const kept = localStorage.getItem("theme")
if (kept) root.dataset.theme = kept

document.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-theme-toggle]")) return
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  root.dataset.theme = isDark ? "light" : "dark"
  localStorage.setItem("theme", root.dataset.theme)
})
