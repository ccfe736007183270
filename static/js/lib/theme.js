// Light or dark: as the system says, unless a person has said otherwise on this device. The server reads the cookie and
// writes the page that way, so that a dark page never begins in white.
const root = document.documentElement
const YEAR = 365 * 24 * 60 * 60
const [NAME, SECURE] = location.protocol === "https:" ? ["__Host-theme", "; Secure"] : ["theme", ""]

document.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-theme-toggle]")) return
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  root.dataset.theme = isDark ? "light" : "dark"
  document.cookie = `${NAME}=${root.dataset.theme}; path=/; max-age=${YEAR}; SameSite=Lax${SECURE}`
})
