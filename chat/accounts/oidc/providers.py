"""The providers of this Parley, as its settings name them."""

from flask import current_app

from chat.accounts.oidc.github import GitHub
from chat.accounts.oidc.openid import OpenIdProvider
from chat.core.errors import NotFound


def providers():
    """{key: provider}, in the order of the buttons. Kept for the life of the process, with what they know."""
    extensions = current_app.extensions
    if "providers" not in extensions:
        extensions["providers"] = {provider.key: provider for provider in configured(current_app.config["PARLEY"])}
    return extensions["providers"]


def provider_called(key):
    """The provider of this key. Raises NotFound for one that is not set up, as for one that never was."""
    if key not in providers():
        raise NotFound
    return providers()[key]


def redirect_uri(provider):
    """The one address that the provider sends people back to: what is registered there, to the letter."""
    return f"{current_app.config['PARLEY'].base_url}/login/with/{provider.key}/callback"


def configured(settings):
    if settings.oidc_client_id:
        yield OpenIdProvider(
            "oidc", settings.oidc_name, settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret,
            scopes=settings.oidc_scopes, groups_claim=settings.oidc_groups_claim if settings.oidc_role_map else None,
        )  # fmt: skip
    if settings.google_client_id:
        yield OpenIdProvider(
            "google", "Google", "https://accounts.google.com", settings.google_client_id, settings.google_client_secret
        )
    if settings.microsoft_client_id:
        # Anybody can write any address into a directory of their own. `xms_edov` says that its domain was made sure of.
        yield OpenIdProvider(
            "microsoft", "Microsoft", f"https://login.microsoftonline.com/{settings.microsoft_tenant}/v2.0",
            settings.microsoft_client_id, settings.microsoft_client_secret, verified_claim="xms_edov",
        )  # fmt: skip
    if settings.gitlab_client_id:
        yield OpenIdProvider(
            "gitlab", "GitLab", settings.gitlab_url.rstrip("/"), settings.gitlab_client_id,
            settings.gitlab_client_secret,
        )  # fmt: skip
    if settings.github_client_id:
        yield GitHub(settings.github_url.rstrip("/"), settings.github_client_id, settings.github_client_secret)
