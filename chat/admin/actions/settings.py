from chat.accounts.events import FactorNeeded
from chat.accounts.oidc.providers import providers
from chat.accounts.queries import held_up_if
from chat.admin.policy import can_change_settings, can_set_passwords, can_set_retention
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.site.actions import HUES
from chat.site.events import Audited, SiteChanged
from chat.site.names import one_line
from chat.site.queries import the_site
from chat.site.settings import SETTINGS
from chat.streams.log import ACCESS, SITE, lock, next_seq

NO_PROVIDER = (
    "There is no identity provider yet, and nobody but owners could sign in. Set one up first, such as OIDC_ISSUER in "
    "the configuration, and start Parley again."
)


def change_settings(actor, **values):
    """Set some of the community's settings: those of site/settings.py, `name` and `hue`. Returns the names of those
    that changed; what is set already takes no number.

    Raises Invalid naming the field; Forbidden, also for `retention_days` or `password_sign_in` alone when that is not
    theirs to decide.
    """
    wanted = {name: _checked(name, value) for name, value in values.items()}
    with transaction() as record:
        lock(SITE, *([ACCESS] if "second_factor" in wanted else []))
        authorize(can_change_settings(actor))
        if "password_sign_in" in wanted:
            authorize(can_set_passwords(actor))
        if "retention_days" in wanted:
            authorize(can_set_retention(actor))
        site = the_site()
        before = {name: _present(site, name) for name in wanted}
        changed = [name for name in wanted if wanted[name] != before[name]]
        if not changed:
            return changed
        if "password_sign_in" in changed and not wanted["password_sign_in"] and not providers():
            raise Invalid(NO_PROVIDER, field="password_sign_in")
        for name in changed:
            _set(site, name, wanted[name])
        site.v = next_seq(SITE)
        db.session.flush()
        record(SiteChanged(site.v))
        if "second_factor" in changed:
            record(FactorNeeded(held_up_if(wanted["second_factor"]), next_seq(ACCESS)))
        data = {name: {"from": before[name], "to": wanted[name]} for name in changed}
        record(Audited(actor.id, "settings_changed", "site", None, data))
    return changed


def _checked(name, value):
    if name == "name":
        return one_line(value, field="name", missing="Give the community a name.")
    if name == "hue":
        if value not in HUES:
            raise Invalid("Choose one of the colours shown.", field="hue")
        return value
    if name not in SETTINGS:
        raise Invalid(f"There is no setting called {name}.", field=name)
    return SETTINGS[name].check(name, value)


def _present(site, name):
    return getattr(site, name) if name in ("name", "hue") else site.settings.get(name, SETTINGS[name].default)


def _set(site, name, value):
    if name in ("name", "hue"):
        setattr(site, name, value)
        return
    kept = {**site.settings, name: value}
    site.settings = {key: kept[key] for key in kept if key in SETTINGS and kept[key] != SETTINGS[key].default}
