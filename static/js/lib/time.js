// Moments as words, in the reader's own zone and in the words that the server uses as well.
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" })
const month = new Intl.DateTimeFormat("en-GB", { month: "long" })
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" })
const STEPS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]]

export function clockWords(date) { return clock.format(date) }

export function dateWords(date, now = new Date()) {
  return `${date.getDate()} ${month.format(date)}${date.getFullYear() === now.getFullYear() ? "" : ` ${date.getFullYear()}`}`
}

export function dayWords(date, now = new Date()) {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1)
  if (dayOf(date) === dayOf(now)) return "Today"
  if (dayOf(date) === dayOf(yesterday)) return "Yesterday"
  return `${weekday.format(date)}, ${dateWords(date, now)}`
}

export function agoWords(date, now = new Date()) {
  const seconds = (date - now) / 1000
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? []
  return unit ? ago.format(Math.round(seconds / size), unit) : "just now"
}

// The local day as the server writes days: 2026-11-24.
export function dayOf(date) {
  const two = (number) => String(number).padStart(2, "0")
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

const FORMATS = { clock: clockWords, date: dateWords, ago: agoWords }

// Correct every <time> in `root`. Days are drawn by the timeline, which knows where one ends.
export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const words = FORMATS[time.dataset.format]
    const date = new Date(time.dateTime)
    if (!words || isNaN(date)) continue
    const said = words(date)
    if (time.textContent !== said) time.textContent = said
    if (!time.title) time.title = `${dayWords(date)}, ${clockWords(date)}`
  }
}
