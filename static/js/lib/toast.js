// A word about what was just done. The flash controller shows it: once for a `key`, with a button for the `way` {words, go}.
export function toast(text, options) {
  document.dispatchEvent(new CustomEvent("parley:toast", { detail: { text, ...options } }))
}

// Why an action was not done, for people.
export function refusal(answer) {
  return answer?.message ?? "The server did not answer. Try again in a moment."
}
