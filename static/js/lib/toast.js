// A word about what was just done. The flash controller shows it.
export function toast(text, { isDanger = false } = {}) {
  document.dispatchEvent(new CustomEvent("parley:toast", { detail: { text, isDanger } }))
}

// Why an action was not done, for people.
export function refusal(answer) {
  return answer?.message ?? "The server did not answer. Try again in a moment."
}
