"""The forms of factor_views.py."""

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField

from chat.accounts.forms import required, trimmed
from chat.accounts.passwords import MIN_LENGTH
from chat.site.names import NAME_LENGTH


class CodeForm(FlaskForm):
    code = StringField("Code", [required("Give the code.")], filters=[trimmed], render_kw={"maxlength": 40})


class PasskeyForm(FlaskForm):
    credential = HiddenField(default="")  # what the browser answered, as JSON
    next = HiddenField()


class NewPasskeyForm(FlaskForm):
    credential = HiddenField(default="")
    name = StringField("Name", filters=[trimmed], render_kw={"maxlength": NAME_LENGTH})


class PasskeyNameForm(FlaskForm):
    name = StringField("Name", filters=[trimmed])


class ConfirmForm(FlaskForm):
    password = PasswordField("Password")
    code = StringField("Code", filters=[trimmed])
    next = HiddenField()


class RecoverForm(FlaskForm):
    login = StringField("E-mail or user name", [required("Give your e-mail address or user name.")], filters=[trimmed])
    recovery_code = StringField("Recovery code", [required("Give one of your recovery codes.")], filters=[trimmed])
    code = StringField("Code of your authenticator app", filters=[trimmed])
    new = PasswordField("New password", [required("Choose a new password.")], render_kw={"minlength": MIN_LENGTH})
