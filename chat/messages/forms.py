from flask_wtf import FlaskForm
from wtforms import HiddenField, IntegerField, TextAreaField
from wtforms.widgets import HiddenInput

from chat.messages.text import LONGEST


class MessageForm(FlaskForm):
    text = TextAreaField("Message", render_kw={"maxlength": LONGEST})
    key = HiddenField()


class EditForm(FlaskForm):
    text = TextAreaField("Message", render_kw={"maxlength": LONGEST})
    rev = IntegerField(widget=HiddenInput())
