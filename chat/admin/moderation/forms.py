from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from chat.admin.moderation.actions import PERIODS
from chat.admin.moderation.actions.shut_out import LONGEST_REASON

DURATIONS = {
    1: "1 hour", 6: "6 hours", 24: "1 day", 72: "3 days", 168: "1 week", 336: "2 weeks", 720: "30 days",
}  # fmt: skip
SPANS = dict(zip(PERIODS, ("Last hour", "Last day", "Last 7 days", "All time"), strict=True))


class ReportForm(FlaskForm):
    reason = StringField(
        "What is wrong with it?", [InputRequired("Say what is wrong with it.")],
        render_kw={"maxlength": LONGEST_REASON},
    )  # fmt: skip


class SuspendForm(FlaskForm):
    hours = SelectField(
        "For how long", choices=[SelectChoice(*choice) for choice in DURATIONS.items()], coerce=int, default=24
    )
    until = DateField("Or until the end of", [Optional()])
    reason = StringField(
        "Reason", [InputRequired("Say why: they read it when they try to sign in.")], id="suspend-reason",
        render_kw={"maxlength": LONGEST_REASON},
    )  # fmt: skip


class BanForm(FlaskForm):
    reason = StringField(
        "Reason",
        [InputRequired("Say why: the audit log keeps it.")],
        id="ban-reason",
        render_kw={"maxlength": LONGEST_REASON},
    )
    typed = StringField("User name")  # once more


class RemovalForm(FlaskForm):
    period = HiddenField()
    reason = StringField("Reason", id="removal-reason", render_kw={"maxlength": LONGEST_REASON})
