from flask_wtf import FlaskForm
from wtforms import RadioField, StringField, TextAreaField

from chat.rooms.names import NAME_LENGTH, TOPIC_LENGTH

KINDS = [("public", "Everyone here"), ("private", "Only people who are added")]


class RoomForm(FlaskForm):
    name = StringField("Name", render_kw={"maxlength": NAME_LENGTH})
    topic = StringField("Topic", render_kw={"maxlength": TOPIC_LENGTH})


class NewRoomForm(RoomForm):
    kind = RadioField("Who can find it", choices=KINDS, default="public")


class RoomSettingsForm(RoomForm):
    description = TextAreaField("Description")


class AddMemberForm(FlaskForm):
    person = StringField("Person")
