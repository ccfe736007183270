// Passkeys (WebAuthn): the server's JSON, in which bytes are base64url, to what browsers take, and their answer back.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0))
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")

const named = (credentials = []) => credentials.map((credential) => ({ ...credential, id: bytes(credential.id) }))

function taken(options) {
  const publicKey = { ...options, challenge: bytes(options.challenge) }
  if (!options.rp) return { ...publicKey, allowCredentials: named(options.allowCredentials) }
  return { ...publicKey, user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: named(options.excludeCredentials) }
}

const PARTS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]

function given({ id, rawId, type, response }) {
  const parts = PARTS.filter((part) => response[part]).map((part) => [part, text(response[part])])
  const transports = response.getTransports ? { transports: response.getTransports() } : {}
  return { id, rawId: text(rawId), type, response: { ...Object.fromEntries(parts), ...transports } }
}

const WORDS = {
  NotAllowedError: "No passkey was used. Try again when you are ready.",
  InvalidStateError: "This device has a passkey here already.",
  SecurityError: "Passkeys do not work at this address.",
}

// Ask the server at `url` for a challenge and the browser for an answer, as the text that the server takes. Throws an
// Error with a sentence for people.
export async function answerTo(url, token) {
  const request = { method: "POST", headers: { "Accept": "application/json", "X-CSRFToken": token } }
  const answer = await fetch(url, request).catch(() => null)
  const options = await answer?.json().catch(() => null)
  if (!answer?.ok || !options) throw new Error(options?.message ?? "The server cannot be reached at the moment.")
  const publicKey = taken(options)
  try {
    const credential = await (options.rp ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }))
    return JSON.stringify(given(credential))
  } catch (error) {
    throw new Error(WORDS[error.name] ?? "The passkey could not be used. Try again, or use another way.")
  }
}
