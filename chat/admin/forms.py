"""The forms of the administration. Those of settings are made from site/settings.py; the rules are in the actions."""

from datetime import date

from flask_wtf import FlaskForm
from wtforms import RadioField, SelectField, StringField

from chat.site.actions import HUES
from chat.site.names import NAME_LENGTH
from chat.site.queries import setting, the_site
from chat.site.settings import SETTINGS

GROUPS = ("People", "Rooms", "Moderation")  # of the settings page; those of other groups have pages of their own


class CommunityForm(FlaskForm):
    name = StringField("Name of the community", render_kw={"maxlength": NAME_LENGTH})
    hue = RadioField("Accent", choices=[(hue, str(hue)) for hue in HUES], coerce=int)


class DaysForm(FlaskForm):
    days = StringField("Days that messages are kept")


def community_form():
    site = the_site()
    return CommunityForm(name=site.name, hue=site.hue)


def settings_form(*groups):
    """A form with the settings of these groups as they are."""
    names = [name for name, entry in SETTINGS.items() if entry.group in groups]
    form = type("SettingsForm", (FlaskForm,), {name: _field(SETTINGS[name]) for name in names})
    return form(data={name: _typed(setting(name)) for name in names})


def _field(entry):
    if entry.choices is None:
        attributes = {"inputmode": "numeric", "placeholder": entry.empty or ""}
        return StringField(entry.label, description=entry.help, render_kw=attributes)
    choices = [(_typed(value), words) for value, words in entry.choices.items()]
    return SelectField(entry.label, description=entry.help, choices=choices)


def _typed(value):
    return "" if value is None else str(value)


def values_of(form):
    """{name: value} of a form of settings, with choices as what they stand for. Anything else the settings refuse."""
    values = {}
    for name, typed in form.data.items():
        if name in SETTINGS:
            meant = {_typed(value): value for value in SETTINGS[name].choices or ()}
            values[name] = meant.get(typed, typed)
    return values


def a_date(typed):
    """The date, or None when it is none."""
    try:
        return date.fromisoformat(typed or "")
    except ValueError:
        return None
