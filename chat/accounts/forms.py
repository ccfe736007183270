"""The forms of the pages. They say what is needed before anything is tried; the rules themselves are in the actions."""

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional

from chat.accounts.actions.invites import LONGEST_DAYS, MOST_USES
from chat.accounts.names import time_zones
from chat.accounts.passwords import MIN_LENGTH
from chat.accounts.scopes import SCOPES
from chat.site.actions import HUES
from chat.site.names import NAME_LENGTH

DAYS = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (366, "a year"))


def required(sentence):
    return InputRequired(sentence)


def trimmed(value):
    return value.strip() if isinstance(value, str) else value


def asking_password(form, actor):
    """The form, without its field `password` for who has none."""
    if not actor.password_hash:
        del form.password
    return form


class NewAccount(FlaskForm):
    """What an account needs; also a part of setup."""

    username = StringField("User name", filters=[trimmed])  # left empty, one is made from the name
    email = StringField(
        "E-mail", [required("Give your e-mail address.")], filters=[trimmed], render_kw={"type": "email"}
    )
    password = PasswordField("Password", [required("Choose a password.")], render_kw={"minlength": MIN_LENGTH})


class SetupForm(NewAccount):
    name = StringField(
        "Name of the community", [required("Give the community a name.")], filters=[trimmed],
        render_kw={"maxlength": NAME_LENGTH},
    )  # fmt: skip
    hue = RadioField(
        "Accent", choices=[(hue, str(hue)) for hue in HUES], coerce=int, default=HUES[0], validate_choice=True
    )
    owner = StringField(
        "Your name", [required("Give a name that people know you by.")], filters=[trimmed],
        render_kw={"maxlength": NAME_LENGTH},
    )  # fmt: skip


class SignUpForm(NewAccount):
    name = StringField(
        "Your name", [required("Give a name that people know you by.")], filters=[trimmed],
        render_kw={"maxlength": NAME_LENGTH},
    )  # fmt: skip


class SignInForm(FlaskForm):
    login = StringField("E-mail or user name", [required("Give your e-mail address or user name.")], filters=[trimmed])
    password = PasswordField("Password", [required("Give your password.")])
    next = HiddenField()


class InviteForm(FlaskForm):
    role = RadioField("Who comes", choices=[("member", "Members"), ("guest", "Guests")], default="member")
    rooms = SelectMultipleField("Rooms", coerce=int)
    expires_days = IntegerField(
        "Works for", [Optional(), NumberRange(1, LONGEST_DAYS, f"Use a number from 1 to {LONGEST_DAYS}.")], default=7
    )
    max_uses = IntegerField(
        "How many people", [Optional(), NumberRange(1, MOST_USES, f"Use a number from 1 to {MOST_USES:,}.")]
    )


class ProfileForm(FlaskForm):
    name = StringField(
        "Name",
        [required("Give a name that people know you by.")],
        filters=[trimmed],
        render_kw={"maxlength": NAME_LENGTH},
    )
    username = StringField("User name", [required("Choose a user name.")], filters=[trimmed])
    pronouns = StringField("Pronouns", filters=[trimmed], render_kw={"maxlength": NAME_LENGTH})
    title = StringField("What you do", filters=[trimmed], render_kw={"maxlength": NAME_LENGTH})
    bio = TextAreaField("About")
    time_zone = SelectField("Time zone", choices=lambda: sorted(time_zones()))


class RoleForm(FlaskForm):
    role = StringField("Role")
    typed = StringField("User name", filters=[trimmed])  # once more, for owners


class AvatarForm(FlaskForm):
    picture = FileField("Picture")


class TokenForm(FlaskForm):
    name = StringField("Name", filters=[trimmed], render_kw={"maxlength": NAME_LENGTH})
    days = SelectField("Works for", choices=[SelectChoice(*choice) for choice in DAYS], coerce=int, default=90)
    scopes = SelectMultipleField(
        "It may", choices=[SelectChoice(*scope) for scope in SCOPES.items()], default=["read"], validate_choice=False
    )


class PasswordForm(FlaskForm):
    current = PasswordField("Current password", [required("Give your current password.")])
    new = PasswordField("New password", [required("Choose a new password.")], render_kw={"minlength": MIN_LENGTH})


class ForgotForm(FlaskForm):
    email = StringField(
        "E-mail", [required("Give the e-mail address of your account.")], filters=[trimmed],
        render_kw={"type": "email", "maxlength": 254},
    )  # fmt: skip


class EmailForm(ForgotForm):
    password = PasswordField("Password", [required("Give your password.")])


class ResetForm(FlaskForm):
    new = PasswordField("New password", [required("Choose a new password.")], render_kw={"minlength": MIN_LENGTH})


class CloseForm(FlaskForm):
    password = PasswordField("Password", [required("Give your password.")])


class EraseForm(FlaskForm):
    confirmation = StringField("User name", [required("Type the user name to confirm.")], filters=[trimmed])
    messages = RadioField("What they wrote", choices=[("keep", "keep"), ("empty", "empty")], default="keep")


class ConfirmIdentityForm(FlaskForm):
    password = PasswordField("Password", [required("Give the password of your account.")])
