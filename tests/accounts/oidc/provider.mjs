// A real OpenID provider (npm oidc-provider), which can be told to misbehave: tests/accounts/oidc/provider.py starts it.
//
//   node provider.mjs PORT REDIRECT_URI…
//
// GET  /control   what it was asked, as paths, since the last time
// POST /control   what to be like from here on, as JSON; what is left out is as it should be:
//   person        the claims of whoever signs in next, with `sub`
//   denies        true: whoever signs in next says no
//   rotated       true: signs with another key, which its key set lists, too
//   token         {claims, header, key}: changes to the id token, which is then signed again. null takes a claim away.
//                 key: "own", "stranger" (listed nowhere), "none", "public" (HMAC with the public key)
//   answers       {path: {json: changes to the answer, null takes away; raw, status, location, drip (milliseconds)}}
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto"
import { createServer } from "node:http"
import { importJWK, SignJWT } from "jose"
import { Provider } from "oidc-provider"

const [port, ...redirectUris] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`

const makeKey = (kid) => ({ ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" })
const [own, next, stranger] = ["own", "next", "stranger"].map(makeKey)
const publicPart = ({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use })

let told = {}
let asked = []
const people = new Map()

const provider = new Provider(issuer, {
  clients: [{ client_id: "parley", client_secret: "a secret for tests", redirect_uris: redirectUris }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"], groups: ["groups"] },
  cookies: { keys: ["a key for tests"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => people.get(sub) ?? { sub } }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  jwks: { keys: [own] },
  pkce: { required: () => true },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
})

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response)
  if (told.denies) return provider.interactionFinished(request, response, { error: "access_denied", error_description: "<b>No</b>" })
  if (prompt.name === "login") return provider.interactionFinished(request, response, { login: { accountId: told.person.sub, remember: false } })
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url")
const changed = (value, changes) => Object.fromEntries(Object.entries({ ...value, ...changes }).filter(([, v]) => v !== null))

async function resigned(token) {
  const [header, claims] = token.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")))
  const { key = told.rotated ? "next" : "own" } = told.token ?? {}
  const said = changed(claims, told.token?.claims)
  const head = changed({ ...header, ...(key === "next" && { kid: "next" }) }, told.token?.header)
  if (key === "none") return `${base64url({ ...head, alg: "none" })}.${base64url(said)}.`
  if (key === "public") {
    const signed = `${base64url({ ...head, alg: "HS256" })}.${base64url(said)}`
    const pem = createPublicKey({ key: own, format: "jwk" }).export({ format: "pem", type: "spki" })
    return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`
  }
  return new SignJWT(said).setProtectedHeader(head).sign(await importJWK({ own, next, stranger }[key], "RS256"), { crit: { odd: true } })
}

async function bent(path, body) {
  if (path === "/token" && body.id_token && (told.token || told.rotated)) body.id_token = await resigned(body.id_token)
  if (path === "/jwks" && told.rotated) body.keys = [own, next].map(publicPart)
  return changed(body, told.answers?.[path]?.json)
}

// Holds the provider's own answer back, and sends what it was told to send.
function bend(path, response) {
  const { raw, status, location, drip } = told.answers?.[path] ?? {}
  const end = response.end.bind(response)
  response.end = (body) => {
    const send = async () => {
      const text = raw ?? JSON.stringify(await bent(path, JSON.parse(body)))
      if (status) response.statusCode = status
      if (location) response.setHeader("Location", location)
      response.removeHeader("Content-Length")
      if (!drip) return end(text)
      for (const letter of text) {
        if (response.destroyed) return null
        response.write(letter)
        await new Promise((resolve) => setTimeout(resolve, drip))
      }
      return end()
    }
    send().catch(() => response.destroy())
    return response
  }
}

async function control(request, response) {
  if (request.method === "GET") {
    response.end(JSON.stringify(asked))
    asked = []
    return
  }
  const parts = []
  for await (const part of request) parts.push(part)
  told = JSON.parse(Buffer.concat(parts))
  if (told.person) people.set(told.person.sub, told.person)
  response.end("{}")
}

const BENT = ["/.well-known/openid-configuration", "/jwks", "/me", "/token"]
const answer = provider.callback()

createServer((request, response) => {
  const { pathname } = new URL(request.url, issuer)
  if (pathname === "/control") return control(request, response)
  asked.push(pathname)
  if (pathname.startsWith("/interaction/")) return interact(request, response).catch((error) => { response.statusCode = 500; response.end(error.message) })
  if (BENT.includes(pathname)) bend(pathname, response)
  return answer(request, response)
}).listen(Number(port), "127.0.0.1")
