from flask_wtf import FlaskForm
from wtforms import IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange

from chat.rooms.actions.break_glass import LONGEST_REASON
from chat.rooms.names import NAME_LENGTH, PACES, TOPIC_LENGTH

KINDS = [("public", "Everyone here"), ("private", "Only people who are added")]


class RoomForm(FlaskForm):
    name = StringField("Name", render_kw={"maxlength": NAME_LENGTH})
    topic = StringField("Topic", render_kw={"maxlength": TOPIC_LENGTH})


class NewRoomForm(RoomForm):
    kind = RadioField("Who can find it", choices=KINDS, default="public")


class RoomSettingsForm(RoomForm):
    description = TextAreaField("Description")


class PaceForm(FlaskForm):
    seconds = SelectField(
        "A member writes at most once in", choices=[SelectChoice(*pace) for pace in PACES.items()], coerce=int
    )


class OpenAsOwnerForm(FlaskForm):
    room = IntegerField(
        "Number of the room",
        [InputRequired("Give the number of a private room."), NumberRange(1, 2**31 - 1, "No room has that number.")],
    )
    reason = StringField(
        "Reason", [InputRequired("Say why: everybody in the room reads it.")], render_kw={"maxlength": LONGEST_REASON}
    )


class AddMemberForm(FlaskForm):
    person = StringField("Person")
