"""One provider that speaks OpenID Connect: discovery, the request, and everything an id token has to pass."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from chat.accounts.oidc.fetching import ProviderTrouble, Wire, fetch_json
from chat.accounts.oidc.person import Claimed, said
from chat.core.clock import now
from chat.core.gates import Turns

# Signatures by a key that the provider alone has. Neither `none` nor HS…, whose key would be one that we have, too.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
KNOWN_SECONDS = 3600  # a discovery document and its keys are believed for so long
FAILED_SECONDS = 5  # and a provider that does not answer is not asked again for so long
LEEWAY_SECONDS = 60  # between two clocks
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")


class Refused(Exception):
    """What came back is not what it has to be. `str()` is for the log: it tells an attacker what to do better."""


@dataclass(frozen=True)
class Known:
    """What a provider said about itself, and until when we believe it."""

    metadata: dict
    keys: tuple
    until: float


@dataclass
class OpenIdProvider:
    """key, name, issuer …: from the settings. `known` is kept in this process."""

    key: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple = ("openid", "email", "profile")
    groups_claim: str | None = None  # None: groups do not decide about roles
    verified_claim: str = "email_verified"
    known: Known | None = field(default=None, repr=False)
    failed_until: float = 0.0
    turns: Turns = field(default_factory=Turns, repr=False)

    # ---- on the way there

    def authorization_url(self, *, state, nonce, verifier, redirect_uri):
        """Where to send the browser. Raises ProviderTrouble."""
        metadata = self.about().metadata
        url, _ = self._client(redirect_uri).create_authorization_url(
            metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
        )
        return url

    def _client(self, redirect_uri, metadata=None):
        return OAuth2Client(
            Wire(), self.client_id, self.client_secret, scope=" ".join(self.scopes), redirect_uri=redirect_uri,
            code_challenge_method="S256", token_endpoint_auth_method=_auth_method(metadata or {}),
        )  # fmt: skip

    # ---- on the way back

    def who(self, *, code, nonce, verifier, redirect_uri):
        """The Claimed person behind a code. Raises Refused; ProviderTrouble."""
        metadata = self.about().metadata
        token = redeem(self._client(redirect_uri, metadata), metadata["token_endpoint"], code, verifier)
        claims = self._claims(token, nonce)
        wanted = ["email", self.verified_claim, "name", *([self.groups_claim] if self.groups_claim else [])]
        more = {}
        if not all(name in claims for name in wanted) and "userinfo_endpoint" in metadata:
            more = self._userinfo(metadata, token, claims["sub"])
        email = self._email(claims) or self._email(more)
        claims = {**more, **claims}
        given = " ".join(filter(None, (said(claims, name) for name in ("given_name", "family_name"))))
        return Claimed(
            provider=self.key, issuer=self.issuer, subject=claims["sub"], email=email, groups=self._groups(claims),
            name=said(claims, "name") or given,
            username=said(claims, "preferred_username") or said(claims, "nickname"),
        )  # fmt: skip

    def refuse_other_issuer(self, iss):
        """RFC 9207: a code of another provider, which an attacker runs, must not be taken to this one."""
        promised = self.about().metadata.get("authorization_response_iss_parameter_supported") is True
        if iss != self.issuer and (promised or iss is not None):
            raise Refused(f"the answer names the issuer {iss!r}")

    def _claims(self, token, nonce):
        """The claims of an id token that is signed by this provider, for us, for this very flow, and still good."""
        raw = token.get("id_token")
        if not isinstance(raw, str):
            raise Refused("there is no id token")
        try:
            decoded = self._decode(raw)
            options = {"iss": {"essential": True, "values": [self.issuer]},
                       "aud": {"essential": True, "values": [self.client_id]}}  # fmt: skip
            params = {"nonce": nonce, "client_id": self.client_id, "access_token": token.get("access_token")}
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(now=int(now().timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise Refused(f"the id token: {type(error).__name__}: {error}") from None
        if not isinstance(claims["sub"], str) or not 1 <= len(claims["sub"]) <= 255:
            raise Refused("the id token has no subject")
        return dict(claims)

    def _decode(self, raw):
        """Keys are looked up anew once when none fits: the provider may have changed them since."""
        about = self.about()
        promised = about.metadata.get("id_token_signing_alg_values_supported")
        allowed = [name for name in ALGORITHMS if not isinstance(promised, list) or name in promised]
        try:
            return jwt.decode(raw, _Picking(about.keys), algorithms=allowed)
        except UnknownKey:
            return jwt.decode(raw, _Picking(self.about(instead_of=about).keys), algorithms=allowed)

    def _userinfo(self, metadata, token, subject):
        bearer = {"Authorization": f"Bearer {token.get('access_token')}"}
        found = fetch_json(metadata["userinfo_endpoint"], headers=bearer)
        if not isinstance(found, dict) or found.get("sub") != subject:  # somebody else's, put in the place of theirs
            raise Refused("the user info is about somebody else")
        return found

    def _email(self, claims):
        """Only where one document says both: what makes sure of one address makes sure of no other."""
        return said(claims, "email") if claims.get(self.verified_claim) in (True, "true", 1, "1") else ""

    def _groups(self, claims):
        if not self.groups_claim:
            return None
        found = claims.get(self.groups_claim)
        listed = [found] if isinstance(found, str) else found if isinstance(found, list) else ()
        return tuple(group for group in listed if isinstance(group, str))

    # ---- what it says about itself

    def about(self, *, instead_of=None):
        """What is Known about it, asked for at most once an hour, or now, in place of what turned out to be old. Many
        who need it wait for one who asks. Raises ProviderTrouble."""
        if not self._is_good(instead_of):
            with self.turns:
                if not self._is_good(instead_of):
                    self._ask()
        return self.known

    def _is_good(self, instead_of):
        return self.known and self.known is not instead_of and time.monotonic() < self.known.until

    def _ask(self):
        if time.monotonic() < self.failed_until:
            raise ProviderTrouble(f"{self.key} failed a moment ago")
        try:
            metadata = self._discover()
            self.known = Known(metadata, _keys(fetch_json(metadata["jwks_uri"])), time.monotonic() + KNOWN_SECONDS)
        except ProviderTrouble:
            self.failed_until = time.monotonic() + FAILED_SECONDS
            raise

    def _discover(self):
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = fetch_json(url)
        if not isinstance(found, dict) or found.get("issuer") != self.issuer:
            raise ProviderTrouble(f"{url} does not describe {self.issuer}")
        kept = {name: value for name, value in found.items() if name not in ENDPOINTS}
        for name in ENDPOINTS:
            if name in found and not _is_endpoint(found[name], self.issuer):
                raise ProviderTrouble(f"{url} has an odd {name}")
            if name in found:
                kept[name] = found[name]
            elif name != "userinfo_endpoint":
                raise ProviderTrouble(f"{url} has no {name}")
        return kept


def redeem(client, url, code, verifier):
    """The token for a code. Raises Refused, as for a code that was used; ProviderTrouble."""
    try:
        return client.fetch_token(url, code=code, code_verifier=verifier, grant_type="authorization_code")
    except OAuth2Error as error:
        raise Refused(f"the code: {str(error.error)[:60]}") from None
    except ValueError as error:
        raise ProviderTrouble(f"the token endpoint: {error}") from None


def _auth_method(metadata):
    methods = metadata.get("token_endpoint_auth_methods_supported")
    only_post = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return "client_secret_post" if only_post else "client_secret_basic"


def _is_endpoint(url, issuer):
    """TLS as the issuer itself; and nothing in it that could end an attribute or a line."""
    if not isinstance(url, str) or not url.isascii() or any(c in url or not c.isprintable() for c in " \"'<>\\`"):
        return False
    parts, home = urlsplit(url), urlsplit(issuer)
    same_machine = home.scheme == parts.scheme == "http" and parts.hostname == home.hostname
    return (parts.scheme == "https" or same_machine) and bool(parts.hostname) and "@" not in parts.netloc


def _keys(found):
    """The keys of a document that signatures can be checked with. Others are left out, one that is odd as well."""
    keys = []
    for described in found.get("keys", ()) if isinstance(found, dict) else ():
        if isinstance(described, dict) and described.get("kty") in ("RSA", "EC") and described.get("use") != "enc":
            try:
                keys.append(jwk.import_key({k: v for k, v in described.items() if k not in ("d", "p", "q")}))
            except (JoseError, ValueError, TypeError):
                continue
    if not keys:
        raise ProviderTrouble("there is no key to check signatures with")
    return tuple(keys)


class UnknownKey(ValueError):
    """Signed with a key that is not among those we know."""


@dataclass
class _Picking:
    """Chooses the key that a token names, as joserfc asks for it."""

    keys: tuple

    def __call__(self, token):
        headers = token.headers()
        kind = "EC" if str(headers.get("alg", "")).startswith("ES") else "RSA"
        named = [key for key in self.keys if headers.get("kid") in (None, key.kid) and key.key_type == kind]
        if len(named) != 1:
            raise UnknownKey
        return named[0]
