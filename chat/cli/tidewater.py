# ruff: noqa: E501 - a play is not code
"""Tidewater, an invented community: twelve people who build tide gauges, and what they say. `seed` brings them to life.

Exchanges are written as a play: `name> what they say`, further lines belong to it, and a line with `~` ends an exchange.
Words in braces are filled in anew each time an exchange is used.
"""

import re
from typing import NamedTuple


class Person(NamedTuple):
    username: str
    name: str
    role: str
    time_zone: str
    bio: str


class Place(NamedTuple):
    name: str
    kind: str
    topic: str
    description: str
    owner: str
    members: tuple  # user names; empty: everyone
    messages: int
    archived: bool = False


PEOPLE = (
    Person("amara", "Amara Okonkwo", "owner", "Europe/London", "Data lead, Bristol. I count water."),
    Person("mirela", "Mirela Ionescu", "admin", "Europe/Bucharest", "Firmware. If it blinks wrongly, tell me."),
    Person("priya", "Priya Raghunathan", "admin", "Asia/Kolkata", "Release manager. I like dull releases."),
    Person("tomasz", "Tomasz Wiśniewski", "member", "Europe/Warsaw", "Hardware, enclosures, crystals, regrets."),
    Person("minhkhai", "Nguyễn Thị Minh Khai", "member", "Asia/Ho_Chi_Minh", "Field engineer. Usually on a pontoon."),
    Person("yusuf", "يوسف الخطيب", "member", "Africa/Cairo", "علاقات الموانئ · Harbour relations, Alexandria."),
    Person(
        "joaquin",
        "Joaquín Fernández de la Vega y Aramburu",
        "member",
        "Europe/Madrid",
        "Oceanographer. The reference gauge at Bilbao is mine.",
    ),
    Person("hana", "佐藤 花 (Hana Sato)", "member", "Asia/Tokyo", "Design, from labels to letters. she/they"),
    Person("siobhan", "Siobhán Ní Dhomhnaill", "member", "Europe/Dublin", "Support. I answer the phone in Galway."),
    Person("kwabena", "Kwabena Asante-Mensah", "member", "Africa/Accra", "Backend, and the queue in front of it."),
    Person("lea", "Lea Grünwald", "member", "Europe/Berlin", "Finance. Please keep the receipts. they/them"),
    Person("noa", "Noa Ben-Ari", "member", "Asia/Jerusalem", "Skipper of the Marisa. they/them"),
)

ROOMS = (
    Place("general", "public", "Everyone is here", "", "amara", (), 1150),
    Place(
        "buoy-firmware",
        "public",
        "4.2: freeze Thursday noon, sea trial Monday",
        "What runs inside the gauges. Builds are on the bench board; what is merged at noon is what goes to sea.",
        "mirela",
        ("amara", "priya", "tomasz", "minhkhai", "joaquin", "kwabena", "noa", "siobhan", "hana", "lea", "yusuf"),
        1100,
    ),
    Place(
        "data-pipeline",
        "public",
        "From the modem to the chart, and every place where it can stop",
        "",
        "kwabena",
        ("amara", "mirela", "joaquin", "siobhan", "priya", "tomasz"),
        800,
    ),
    Place("design", "public", "Labels, screens, paper", "", "hana", ("amara", "priya", "tomasz", "mirela", "lea"), 300),
    Place(
        "field-work",
        "public",
        "Who is where, and what the sea is doing",
        "Say where you are going before you go, and that you are back when you are.",
        "noa",
        ("minhkhai", "joaquin", "tomasz", "yusuf", "mirela", "amara", "priya"),
        550,
    ),
    Place("support", "public", "What harbours ask", "", "siobhan", (), 900),
    Place(
        "ports-and-permits",
        "private",
        "Names and prices: nothing from here goes further",
        "",
        "yusuf",
        ("amara", "lea", "noa", "priya", "mirela"),
        150,
    ),
    Place(
        "incident-harbour-gateway-outage",
        "public",
        "Closed. The report is in #data-pipeline",
        "",
        "kwabena",
        ("amara", "mirela", "siobhan", "priya"),
        50,
        archived=True,
    ),
)

FILLS = {
    "gauge": tuple(f"TG-{n:03d}" for n in range(3, 41)),
    "port": (
        "Kiel", "Setúbal", "Accra", "Hải Phòng", "Alexandria", "Galway", "Bilbao", "Constanța", "Gdańsk", "Kōbe",
        "Chennai", "Haifa", "Bristol", "Cuxhaven", "Tema", "Đà Nẵng",
    ),
    "person": tuple(f"@{person.username}" for person in PEOPLE),
    "few": ("two", "three", "four", "five", "six"),
    "n": tuple(range(3, 98)),
    "percent": tuple(range(4, 97)),
    "minutes": (5, 10, 15, 20, 25, 40, 45),
    "hour": tuple(range(6, 19)),
    "volts": ("3.21", "3.34", "3.48", "3.57", "3.61", "3.69", "3.72"),
    "drift": ("0.02", "0.08", "0.11", "0.37", "0.94", "1.39", "1.41"),
    "metres": ("0.4", "0.7", "1.1", "1.6", "2.3", "3.8"),
    "version": ("4.1.3", "4.1.4", "4.2.0-rc1", "4.2.0-rc2", "4.2.0-rc3"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "dish": ("the lentil soup", "grilled sardines", "phở", "jollof", "cheese pierogi", "sarmale", "the fish pie"),
    "ticket": tuple(range(1204, 1990)),
}  # fmt: skip
SLOT = re.compile(r"\{(" + "|".join(FILLS) + r")\}")


def filled(text, random):
    """The text with its words in braces chosen; the same word twice in a text is the same choice."""
    chosen = {}

    def choice(match):
        if match[1] not in chosen:
            chosen[match[1]] = str(random.choice(FILLS[match[1]]))
        return chosen[match[1]]

    return SLOT.sub(choice, text)


LINE = re.compile(rf"^({'|'.join(person.username for person in PEOPLE)})> ?", re.MULTILINE)


def exchanges(play):
    """[[(user name, text), …], …] of a play."""
    found = []
    for scene in re.split(r"^~$", play, flags=re.MULTILINE):
        parts = LINE.split(scene.strip("\n"))[1:]
        if parts:
            found.append([(who, text.strip("\n")) for who, text in zip(parts[::2], parts[1::2], strict=True)])
    return found


# What anybody may say after anything.
ASIDES = (
    "Thank you!", "Thanks, that helps.", "👍", "On it.", "Good.", "Noted.", "I did not know that.", "Makes sense.", "🎉",
    "Agreed.", "Oh no.", "Oh good.", "Will do.", "+1", "Same here.", "That is the third time this month.", ":tada:", "🙏",
    "Give me {minutes} minutes.", "Can we keep that for {weekday}?", "I have a call at {hour}:00, after that I am free.",
    "Looks right to me.", "Could somebody write that down?", "Written down.", "I will look tomorrow morning.", "🌊",
    "Same at {port}, by the way.", "{person} will like this.", "Sorry, I was on the phone.", "No hurry.", "Ha.",
    "That explains {gauge}.", "Let me check and come back.", "Checked. It is fine.", "Fine by me.", "😂", "Perfect.",
    "I would rather wait for {weekday}.", "Who has the key to the store?", "I do.", "Back in {minutes}.", "Still here.",
)  # fmt: skip

TALK = {
    "general": """
amara> Good morning. The kettle works again.
siobhan> Good morning! It rains sideways here.
minhkhai> Chào buổi sáng, it is 34 degrees and I am under a bridge.
~
lea> Expense reports for the month are due on {weekday}. A receipt that I cannot read is not a receipt.
tomasz> What about a receipt that fell into the harbour?
lea> Then I need the harbour.
~
hana> I am out on {weekday} afternoon, dentist.
priya> Good luck!
~
noa> The Marisa is in the yard until {weekday}. If anybody needs to go out, we borrow the harbour's boat.
yusuf> I can ask the harbour master at {port}, he owes me a favour.
noa> Please do.
yusuf> Done. He says yes, and he says bring the papers this time.
~
amara> We passed **{n} million readings** last night. None of them was thanked, so: thank you, readings.
kwabena> 🎉
joaquin> I thanked the one from Bilbao personally.
~
priya> A reminder of what we agreed about meetings:

- a question that can be written is written
- a meeting has an end
- whoever called it writes down what was decided

That is all of it.
lea> I have printed this.
~
siobhan> The person from {port} is on the phone again. Can somebody tell me in one sentence why their chart stops at {hour}:00?
kwabena> Their modem was without coverage from {hour}:00, and sends the rest as soon as it is back. Nothing is lost.
siobhan> That was two sentences, but thank you.
~
joaquin> Spring tide on {weekday}, {metres} m above the mean at {port}. Wear boots.
minhkhai> I always wear boots.
joaquin> I know. I meant the others.
~
yusuf> صباح الخير للجميع. اجتماع الميناء انتهى، وكل شيء على ما يرام.
amara> صباح النور! Wonderful news.
~
tomasz> Lunch is {dish} today, for whoever is in the lab.
mirela> I am in the lab in {minutes} minutes.
tomasz> I thought you might be.
~
hana> Which of these is easier to read on a wet screen? The second one has a larger line height.
amara> The second.
joaquin> The second, and I was looking at it without my glasses.
hana> Then it is the second.
~
kwabena> I will restart the mail relay at {hour}:00 UTC. If your mail takes {minutes} minutes, that is why.
priya> Thanks for saying.
kwabena> It is back.
~
lea> Who ordered {n} metres of rope?
noa> A boat has ropes.
lea> Forty of them?
noa> It is a proud boat.
~
amara> Welcome back, {person}! How was it?
minhkhai> While you were away we named a buoy after you. It drifts.
~
priya> The notes of the review are here: https://notes.tidewater.example/reviews/{n}. Please read them before {weekday}; they are one page.
mirela> Read.
tomasz> Read. There is a typo on the one page.
priya> There had to be.
~
siobhan> Fire drill at {hour}:30 in Galway, so I will be slow to answer for {minutes} minutes.
~
joaquin> Somebody left a thermos on the pontoon at {port}. It is blue and it has seen things.
noa> Mine! Please do not open it.
joaquin> Too late.
~
mirela> Does anybody else hear the fan in the server room?
kwabena> That is not the fan. That is the coffee machine next door, we share a wall.
mirela> I have been debugging a coffee machine.
~
amara> A school from {port} would like to visit on {weekday}, {n} children. Who would show them a gauge?
minhkhai> Me! May I bring the one that whistles?
amara> You must bring the one that whistles.
hana> I will draw them a tide.
~
noa> Weather for {weekday}: force five from the west, gusting seven. We stay in.
joaquin> Wise.
""",
    "buoy-firmware": """
mirela> {version} is on the bench since {hour}:00. {few} gauges, one reading a minute.
priya> How long do you want to let it run?
mirela> Until I am bored, and then one day more.
~
tomasz> {gauge} drifts by {drift} s a week. The one beside it, from the first batch, by 0.01.
mirela> Same temperature?
tomasz> Same shelf.
mirela> Then it is the crystal.
~
kwabena> The modem of {gauge} sends its readings twice after a failed upload. We drop the second one, but it costs airtime.
mirela> It forgets the acknowledgement when it sleeps. I will keep it in the retained memory.
kwabena> Is there room?
mirela> {n} bytes. It is a small acknowledgement.
~
mirela> This is the part that decides when to give up:

```c
static bool should_retry(const struct upload *u)
{
    if (u->tries >= MAX_TRIES)
        return false;              /* the next reading carries this one along */
    return battery_mv() > LOW_MV;  /* never retry into the dark */
}
```
kwabena> I like the second comment.
tomasz> `LOW_MV` is {volts} V on the old boards, please keep that.
mirela> It is, it comes from the board file.
~
priya> What is still open for {version}?
mirela> - [x] back-off of the modem
- [x] watchdog asks before it bites
- [ ] clock correction from the GPS second
- [ ] log format, two new columns
priya> And what of that can wait?
mirela> The third. It has waited for two years.
~
minhkhai> {gauge} at {port} reset itself twice last night, at 02:{minutes} and again at dawn.
mirela> Can you send me the last kilobyte of the log?
minhkhai> ```
02:11:58 volts={volts} rssi=-97
02:12:01 modem: no answer, try 6
02:12:31 watchdog: bite
02:12:33 boot, reason=watchdog
```
mirela> The watchdog bit while the modem was shouting. That one is fixed in {version}.
minhkhai> Then I will stop being sad about it.
~
joaquin> Could the reading carry its own uncertainty? Two bytes would do.
mirela> From which side would you take the two bytes?
joaquin> From the serial number, nobody needs to be *that* sure who they are.
mirela> 😂 Let me see what is left in the frame.
~
noa> If I flash {gauge} on board, how long may I not touch it?
mirela> {minutes} seconds, and please not in the rain.
noa> It is a boat.
mirela> Under the roof of the boat.
~
tomasz> New boards arrived. They smell of success and of flux.
mirela> How many?
tomasz> {n}, and one that is upside down.
~
kwabena> | version | uploads | failed | retries |
|:--|--:|--:|--:|
| 4.1.3 | 20,160 | 412 | 2,881 |
| {version} | 20,158 | 398 | 611 |

Same week, same harbours.
priya> That is a fifth of the retries.
mirela> And a fifth of the battery, I hope.
~
mirela> Does anybody still need the debug pin on the outside connector?
tomasz> I used it once in anger.
mirela> I will leave it for your anger.
~
priya> {person} could you try {version} on the oldest gauge you have?
minhkhai> The oldest one I have is {gauge}. It speaks to me in its sleep.
priya> That is the one.
~
mirela> I have split the sampling loop in two: one part reads, the other sends, and they only share a queue of `{n}` entries. When the queue is full the oldest goes, since a new reading is worth more than an old one.
joaquin> Not to me.
mirela> Then I will make it {n} entries longer for you.
~
siobhan> A harbour asks whether the light on top may blink less. It wakes the neighbour.
mirela> It blinks once a minute when all is well. I can make it once in ten.
hana> Please keep it once a minute by day. People look for it from the quay.
mirela> By day, then, and rarely by night.
~
tomasz> Measured again: {gauge}, {volts} V after {n} hours without sun. It would live another {few} days.
priya> Enough for a winter in {port}?
tomasz> Enough for a winter anywhere that has a spring.
""",
    "data-pipeline": """
kwabena> The queue is at {n} thousand. It was at nought when I left.
amara> New harbour, or old trouble?
kwabena> {port} came back after {few} days and sends everything at once. It is going down.
~
amara> The gap in {gauge} between {hour}:00 and {hour}:{minutes} is in the chart but not in the file. Which of the two is right?
kwabena> The chart. The file leaves out readings that failed the range check.
amara> Then the file should say so.
kwabena> It will, one column more: `quality`.
~
kwabena> The query that took {n} s:

```sql
SELECT gauge_id, date_trunc('hour', taken_at) AS hour, avg(level)
  FROM readings
 WHERE taken_at > now() - interval '30 days'
 GROUP BY 1, 2;
```

With an index on `(gauge_id, taken_at)` it takes 0.{n}.
amara> Beautiful.
~
joaquin> Who rounds to centimetres? My residuals have steps in them.
kwabena> The exporter, since 2019.
joaquin> Could it stop?
kwabena> It has stopped.
~
amara> The model expects {metres} m at {port} tonight, the gauge says {metres} m and a bit. I love it when nothing happens.
joaquin> Nothing is the best result.
~
kwabena> Backups: restored last night's into an empty machine. {n} minutes, every count equal. Next time in a month.
priya> Thank you for doing the dull thing.
~
siobhan> {port} asks for their readings as a file they can open in a spreadsheet, from January.
amara> `export --gauge {gauge} --from 2026-01-01 --format csv`, and mind the decimal comma.
siobhan> They mind it.
~
mirela> You will get two new columns from {version}: `retry_count`, `battery_mv`. Both at the end.
kwabena> Empty for the old ones?
mirela> Empty for the old ones.
kwabena> Then nothing breaks but my heart.
~
kwabena> Deploy at {hour}:00. One migration, adds a column, locks nothing.
amara> Go ahead.
kwabena> Done, {minutes} s, nobody noticed.
~
amara> ```python
def surge(level, predicted, window=6):
    \"\"\"What the weather adds to the tide: the smoothed rest.\"\"\"
    rest = level - predicted
    return rest.rolling(window, center=True).median()
```
The median instead of the mean, since one seagull on the sensor moved the mean by {n} cm.
joaquin> The seagull is a known phenomenon.
~
kwabena> Disk at {percent} %. At this rate it is full in {n} weeks.
amara> Or we could keep the raw frames for a year instead of for ever.
kwabena> I was hoping that you would say it.
~
joaquin> The reference at Bilbao and {gauge} agree within {drift} cm over the month. I have nothing to complain about and I do not like it.
~
tomasz> Is the temperature in the frame the board's or the water's?
amara> The board's. The water's is a separate probe, and only {few} harbours have one.
~
kwabena> The certificate of the gateway ends on {weekday}. Renewing it now.
kwabena> Renewed. Next one renews itself, I hope, which is what I wrote last time.
priya> Shall I put it in the calendar anyway?
kwabena> Please.
~
amara> Three rules for a new check:
1. It says what it found, with the value.
2. It says what to do.
3. It is quiet when all is well.
mirela> Number three is most of it.
""",
    "design": """
hana> The serial number in two scripts does not fit on the new enclosure. Here is what would:

1. Latin only, and a code to scan
2. both, in 5 point, which nobody reads
3. a second label on the inside of the lid
tomasz> Three. Whoever opens it needs it, and whoever does not, does not.
hana> Three it is.
~
priya> Could the warning be orange instead of red? Red means *stop* to a harbour master.
hana> And what should they do, when it is orange?
priya> Call us within the day.
hana> Then orange, and the number to call beside it.
~
lea> The printer asks for the file by {weekday}, or it costs {n} € more.
hana> They have it.
~
amara> How does the chart look for someone who does not see red and green apart?
hana> Like this: one line is dashed. It was the first thing I drew.
amara> I should have known.
~
hana> I have cut the settings page from {n} switches to {few}. The others had a right answer, so it does that now.
mirela> This is the best sentence of the week.
~
tomasz> The engraver cannot do “Kōbe”, the bar on the o is missing in their typeface.
hana> Which typeface?
tomasz> “The one that came with it.”
hana> I will send outlines.
~
hana> New type scale: 12, 14, 15, 18, 22, 28. If you feel a need for 16, come and talk to me first.
priya> I felt it and it went away.
~
priya> The release notes have {n} sentences. Can we lose a third?
hana> Which third?
priya> The adjectives.
""",
    "field-work": """
minhkhai> Going out to {gauge} at {port}, back by {hour}:00.
noa> Tide turns at {hour}:{minutes}, mind the bar.
minhkhai> Back. It was a crab.
~
noa> Boat list for {weekday}: me, {person}, and the crane. Leaving at 06:{minutes}.
joaquin> Is there room for a tripod?
noa> If it does not mind the crane.
~
yusuf> The permit for {port} is here: berth 4, from six in the morning until noon.
noa> Thank you. Noon is tight.
yusuf> I asked for two o'clock, they laughed, I asked for noon.
~
tomasz> Checklist for a swap, as I did it today:
- [x] photograph before touching anything
- [x] note the staff reading and the minute
- [x] swap the sensor, not the logger
- [ ] clean the solar panel
- [x] note the staff reading again
joaquin> Staff reading before and after, twice. I could cry.
~
minhkhai> {gauge} is clean again. I took {n} mussels off it, they send regards.
~
joaquin> Water {metres} m, wind from the north-west, swell low. The gauge agrees with my stick.
amara> Your stick has the better uptime.
~
noa> We are back, all {few} of us, everything on board that left with us except for one glove.
priya> Thank you for saying so.
~
minhkhai> The road to {port} is under water, I turn around. Tomorrow again.
tomasz> The gauge will know the depth, at least.
~
yusuf> الرصيف محجوز يوم الأحد من الساعة ٦ صباحًا. اتصلوا بي عند الوصول.
noa> نراك هناك. We bring coffee.
~
joaquin> https://hydro.example/charts/{n}/approach is the chart I meant, where the current turns.
noa> That is the rock I meant, too.
~
tomasz> The spare battery of {gauge} was at {volts} V out of the box. Do not put it into anything.
minhkhai> I have written NO on it.
""",
    "support": """
siobhan> #{ticket}: {port} sees yesterday's tide and not today's. I have asked them to reload the page.
kwabena> Their proxy keeps the page for a day. I have told it not to.
siobhan> They reloaded, it is there.
~
siobhan> A harbour master asks what “watchdog” means in the notes. So do I, to be honest.
mirela> A clock that restarts the gauge when the gauge has stopped thinking.
siobhan> May I write exactly that?
mirela> Please do.
~
siobhan> #{ticket}: alarm at {hour}:{minutes} although the water was low.
amara> {gauge} was being cleaned, the sensor was in the air. The note of that visit came an hour later.
siobhan> So the answer is “somebody was cleaning it”.
amara> With an apology.
~
priya> How many tickets are open?
siobhan> {n}, of which {few} are one person.
priya> How is he?
siobhan> He has bought a second barometer.
~
siobhan> {person} could you ring {port}? They want to talk to “somebody who has seen one”.
minhkhai> I have seen one.
~
siobhan> Here is what people asked this week:

| question | times |
|:--|--:|
| Why does my chart stop? | {n} |
| Can I have the file? | 9 |
| Who do I pay? | 4 |
| Is it a bomb? | 1 |
lea> I can answer the third one.
priya> I would like to hear about the fourth one.
~
hana> I have rewritten the first page of the help. It says what to do when the light is off, and nothing else.
siobhan> That will save me {n} calls a month.
~
siobhan> #{ticket}: cannot sign in, says the password is right and the machine is wrong.
kwabena> Caps lock?
siobhan> Caps lock.
~
siobhan> They ask for the temperature in Fahrenheit.
amara> No.
siobhan> I will phrase it differently.
amara> “Not at present.”
~
mirela> If somebody reports resets at night: that is fixed in {version}, and until then it loses nothing, it only looks nervous.
siobhan> “It only looks nervous” is going straight into my answer.
~
siobhan> #{ticket} is closed after {n} days. They sent biscuits.
priya> Which kind?
siobhan> The kind that is gone.
~
kwabena> The status page says everything is well, and it is, I looked.
siobhan> Thank you. I always look twice when it says so.
~
siobhan> {port} would like {few} more gauges, before the winter. @lea, @yusuf?
siobhan> They asked whether there is a discount for those who have been patient.
amara> There should be.
""",
    "ports-and-permits": """
yusuf> {port} agreed to {n} € a month, with the berth. In writing.
lea> 👏 Please send me the writing.
~
lea> The deposit for {port} has not come back. It is {n}00 €.
yusuf> I will call in the morning. He picks up when it is my number.
~
noa> Insurance asks who is on board as crew and who as guest.
lea> Guests pay nothing and may sue. Crew the other way round.
noa> Crew, then.
~
yusuf> وصل العقد الجديد من {port}. سأترجم البنود المهمة اليوم.
amara> Take your time, and take the one about liability twice.
~
amara> Could we offer {port} the second year at half? They were the first who believed us.
lea> The numbers allow it for {few} harbours, not for all.
amara> For the first one, then.
~
priya> Which permits run out this quarter?
yusuf> {few} of them. The list is in the folder, the red one is mine to worry about.
""",
    "incident-harbour-gateway-outage": """
kwabena> The gateway does not answer since {hour}:{minutes} UTC. I am looking.
siobhan> {n} harbours have called or written.
kwabena> It is the certificate of the *old* name. The new one is fine, the gauges ask for the old one.
amara> Nothing is lost as long as they keep their readings, they hold nine days.
kwabena> I have put a certificate for both names in place. They come back one after the other.
~
siobhan> What may I tell people?
priya> “The gauges are measuring. Sending is interrupted, and what was measured in the meantime will arrive by itself.”
siobhan> Good. Sent.
~
kwabena> {n} of 96 are back.
mirela> The rest will try within the hour, that is the back-off.
kwabena> 96 of 96.
amara> Counted: no reading is missing.
~
priya> What do we change?
kwabena> The old name is watched from now on, and a certificate that ends within two weeks wakes me.
priya> And the report goes to #data-pipeline, in plain words.
""",
}

HARBOURS = (
    ("Kiel", "the panel was clean, the sky was not, and the battery ended the week where it had begun"),
    ("Setúbal", "the reference gauge stands six metres away, so every centimetre of ours is judged by its neighbour"),
    ("Accra", "the sun is never the trouble; the trouble is the salt, which has found the one screw without a washer"),
    ("Hải Phòng", "the modem shouted into an empty sky for a whole night and had 11 % left by the morning"),
    ("Alexandria", "the harbour master signs for us by hand, and asks each time whether it has learned Arabic yet"),
    ("Galway", "rain is not a measurement, as I was told on arrival, it is how the place looks"),
    ("Bilbao", "the other gauge there has given up after five tries for thirty years and nobody has ever complained"),
    ("Constanța", "there is hardly a tide, so whatever our numbers do there, they do by themselves"),
)


def long_message():
    """About two thousand words, as somebody writes them once a year."""
    parts = [
        "Where we are with **4.2**, harbour by harbour, so that nobody has to piece it together from three rooms. It is "
        "long. Read your own harbour, and the end.",
        "The freeze is Thursday at noon. What is on `main` then is what goes to sea on Monday; after noon only fixes "
        "that Noa or I have read. The sampling change is in and has run for nine days on the bench without a missed "
        "reading, which is four days longer than any build we have shipped. The power change is in too, but only Kiel "
        "has run it on a solar panel, and Kiel in November is not a fair test of a panel.",
    ]
    for number, (harbour, story) in enumerate(HARBOURS, 1):
        parts.append(
            f"**{number}. {harbour}.** What there is to tell first: {story}. The release candidate went on the gauge on a "
            f"{('Monday', 'Tuesday', 'Wednesday')[number % 3]}, at low water, with somebody standing beside it, and has "
            f"taken a reading every minute since. We compared each of them with the staff at noon and in the evening. The "
            f"difference stayed under {number % 4 + 1} cm on all days but one, and on that one it was the staff that was "
            "wrong, or rather the person reading it, who was me. The clock kept to the second of the satellites for as "
            "long as there were satellites, and drifted by less than a tenth of a second a day when we covered the "
            f"antenna on purpose. Uploads failed {number * 7 % 23 + 2} times, were tried again after thirty seconds, "
            "a minute, two minutes and so on, and gave up twice, as they should; both times the next reading carried the "
            "missing one along and nothing is absent from the file. The log says why in words that a harbour master can "
            "read to us over the telephone. Whoever goes there next: please clean the panel, photograph the label, and "
            "write down the minute at which you opened the lid."
        )
    parts += [
        "Three things are still open:",
        "1. **The clock.** Two gauges drifted by 1.4 s over a week. Small, but Setúbal compares us with a reference and "
        "they will notice. @tomasz thinks it is the crystal in the second batch, and has ordered five from the first "
        "supplier to compare.\n"
        "2. **The modem retry.** After a failed upload we wait 30 s and try again, for ever. In a harbour with poor "
        "coverage that empties the battery in two nights.\n"
        "3. **The label.** The new enclosure has no room for the serial number in two scripts. @hana has a drawing.",
        "What I would like from each of you before Thursday: read the release notes as if you were the harbour master, "
        "who does not know what a watchdog is, and mark every sentence you would have to ask about. If something worries "
        "you that is not on this list, say it here, today, even if you are not sure. I would much rather hear a vague "
        "worry on Tuesday than a precise one on Sunday evening with the boat already fuelled.",
        "And thank you. It is a dull release, and dull took a lot of work.",
    ]
    return "\n\n".join(parts)


# How each room ends today: what one sees first.
LAST = {
    "general": """
amara> @room the community is one year old today. There is cake in Bristol, and the recipe for everyone else:

> Four eggs, their weight in butter, sugar and flour, a lemon. Forty minutes at 170 °C.

Whoever bakes it shows it.
lea> I have read the recipe and approve the budget.
hana> 🎂🌊🎉
joaquin> Mine is in the oven. It rises like a spring tide.
yusuf> كل عام وأنتم بخير! سأحضر البسبوسة غدًا إن شاء الله.
noa> תודה לכולם, and save me a slice, we are back at four.
siobhan> The person from Setúbal says happy birthday, and asks about his chart.
minhkhai> Chúc mừng sinh nhật! 🎈
""",
    "buoy-firmware": f"""
priya> {long_message()}
tomasz> Crystals are on the bench since lunch. I will know by Wednesday.
tomasz> If it is the batch we have 40 of them in finished gauges. That is the sentence I did not want to write.
amara> Drift after seven days, against the reference:

| Gauge | Crystal | Drift | Temp. |
|:--|:--|--:|--:|
| TG-014 Kiel | batch 1 | +0.08 s | 6.1 °C |
| TG-015 Setúbal | batch 2 | +1.41 s | 15.8 °C |
| TG-019 Accra | batch 2 | +1.39 s | 28.3 °C |

> Temperature is not it: the warm one and the mild one drift alike.
hana> 🌊🧭🌊
joaquin> Good morning from the pontoon. TG-015 is back in the water, 20 minutes ahead of the tide.
yusuf> صباح الخير. الميناء وافق على موعد يوم الاثنين، والرصيف رقم 4 محجوز لنا من السادسة صباحًا حتى الظهر. أرسلت التصريح إلى @noa.
kwabena> This is the back-off I would put in, it gives up until the next reading:

```python
def waits(first=30, limit=1800):
    \"\"\"Seconds to wait before each try, doubling, with jitter.\"\"\"
    wait = first
    while wait <= limit:
        yield wait * random.uniform(0.8, 1.2)
        wait *= 2  # 30 s, 1 min, 2 min … half an hour, then stop
```

Six tries, about an hour. Worst case is 2.1 mAh instead of 340.
lea> Which of these two is the one I pay for?
siobhan> @mirela Setúbal asks whether 4.2 keeps the old log format. They parse it with a spreadsheet, and I would rather tell them today than in January.
minhkhai> The chart I meant, for where the current turns: https://hydro.example/charts/sado-approach
priya> Before the freeze, for everyone who has a commit left:

- [x] sampling, nine days on the bench
- [x] power change, Kiel
- [ ] clock, waiting for the crystals
- [ ] release notes read by @siobhan, who is our harbour master
mirela> It keeps the format. Two columns are added at the end, and spreadsheets will not mind:

- `retry_count`, whole number
- `battery_mv`, millivolts
mirela> I will write them a paragraph they can forward.
noa> Marisa is fuelled. Monday at six, berth 4, @mirela bring the good camera.
tomasz> And a towel for the good camera.
priya> Dull. Perfect.
""",
    "data-pipeline": """
kwabena> The report on the gateway is finished. In short: a name we had forgotten, and a certificate that had not forgotten us. The whole of it is in the wiki, and #incident-harbour-gateway-outage is closed.
amara> Thank you for writing it in plain words.
joaquin> I understood it, and I measure water for a living.
kwabena> @mirela the two new columns are in, empty until you fill them.
""",
    "design": """
hana> The label, third try: https://files.tidewater.example/labels/serial-inside-lid.svg
tomasz> That one I can engrave.
hana> 👏
""",
    "field-work": """
joaquin> TG-015 is in. Staff reading 1.42 m at 07:58, gauge says 1.42 m.
noa> Monday: leaving at 06:10 with @minhkhai, @tomasz, @joaquin and @mirela. Life jackets are not optional.
minhkhai> The forecast says force three. I have packed for five.
yusuf> التصريح معكم؟ نعم: berth 4, six to noon.
""",
    "support": """
siobhan> #1991: Setúbal again, about the log format. I have promised an answer today.
mirela> It is on its way to you.
siobhan> You are a lighthouse.
""",
    "ports-and-permits": """
yusuf> Monday is signed. Berth 4, and he did not even ask for the papers.
lea> I will frame that sentence.
""",
    "incident-harbour-gateway-outage": """
priya> Everything is back, and everything is written down. I close this room; it stays here to be read.
kwabena> 🙏
""",
}
