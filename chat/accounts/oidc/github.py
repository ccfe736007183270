"""GitHub, which speaks OAuth 2 without OpenID Connect: no id token; who it is, is asked for over its API."""

from dataclasses import dataclass, field

from authlib.oauth2.client import OAuth2Client

from chat.accounts.oidc.fetching import ProviderTrouble, Wire, fetch_json
from chat.accounts.oidc.openid import redeem
from chat.accounts.oidc.person import Claimed, said

SCOPE = "read:user user:email"


@dataclass
class GitHub:
    """`url` is also the issuer that identities are kept under, by GitHub's numbers, which are never given twice."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    key: str = "github"
    name: str = "GitHub"

    @property
    def issuer(self):
        return self.url

    @property
    def api(self):
        return "https://api.github.com" if self.url == "https://github.com" else f"{self.url}/api/v3"

    def authorization_url(self, *, state, nonce, verifier, redirect_uri):
        """Where to send the browser. There is no token that the nonce could come back in."""
        url, _ = self._client(redirect_uri).create_authorization_url(
            f"{self.url}/login/oauth/authorize", state=state, code_verifier=verifier
        )
        return url

    def who(self, *, code, nonce, verifier, redirect_uri):
        """The Claimed person behind a code. Raises Refused; ProviderTrouble."""
        token = redeem(self._client(redirect_uri), f"{self.url}/login/oauth/access_token", code, verifier)
        bearer = {"Authorization": f"Bearer {token.get('access_token')}", "Accept": "application/vnd.github+json"}
        user = fetch_json(f"{self.api}/user", headers=bearer)
        emails = fetch_json(f"{self.api}/user/emails", headers=bearer)
        number = user.get("id") if isinstance(user, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise ProviderTrouble("GitHub's API gave a user without an id")
        return Claimed(
            provider=self.key, issuer=self.issuer, subject=str(number), email=_primary(emails),
            name=said(user, "name") or said(user, "login"), username=said(user, "login"),
        )  # fmt: skip

    def refuse_other_issuer(self, iss):
        """GitHub names none. Its codes come back to an address of their own, which no other provider's do."""

    def _client(self, redirect_uri):
        return OAuth2Client(
            Wire(), self.client_id, self.client_secret, scope=SCOPE, redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - how the secret is sent, not the secret
        )  # fmt: skip


def _primary(emails):
    """The primary address, if GitHub has made sure of it; else ""."""
    mine = (e for e in emails if isinstance(e, dict)) if isinstance(emails, list) else ()
    return next((said(e, "email") for e in mine if e.get("primary") is True and e.get("verified") is True), "")
