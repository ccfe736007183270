"""What a person sees on a page of Parley, read from its HTML as the browser's script reads it."""

import re
from html import unescape


class Page:
    """One page: the sidebar's places, and the room on it if there is one. All its numbers belong to one moment."""

    def __init__(self, html):
        live = _attributes(_tag(html, "div", "data-live-epoch-value"))
        sidebar = _attributes(_tag(html, "div", "data-user-stream"))
        self.epoch, self.me = live["live-epoch-value"], int(live["live-user-id-value"])
        self.cursors = {sidebar["user-stream"]: int(sidebar["user-cursor"]), "site": int(sidebar["site-cursor"])}
        self.places = {
            place["room"]: place for place in map(_place, re.findall(r'<a class="place"[^>]*data-room-id[^>]*>', html))
        }
        self.people = people_in(html)
        found = _tag(html, "section", "data-room-id")
        self.room = RoomOnPage(html, _attributes(found)) if found else None


class RoomOnPage:
    def __init__(self, html, section):
        self.id, self.cursor = int(section["room-id"]), int(section["cursor"])
        self.role, self.position = section["member"] or None, int(section["position"] or 0)
        self.has_older, self.first_seq = section["has-older"] == "true", int(section["first-seq"] or 0)
        html = html[: html.index('data-room-target="blank"')]  # what follows are patterns for the script
        self.messages = {m["id"]: m for m in map(message_in, re.findall(r"<article .*?</article>", html, re.S))}
        self.lines = dict(line_in(tag) for tag in re.findall(r'<p class="event"[^>]*>', html))
        self.name = unescape(re.search(rf'data-room-name="{self.id}">([^<]*)</span>', html)[1])
        self.topic = unescape(re.search(rf'data-room-topic="{self.id}"[^>]*>([^<]*)<', html)[1])
        self.people_count = int(re.search(r'data-room-members="\d+">(\d+)', html)[1])


def message_in(html):
    """What an article says, without what belongs to its place on a page: the grouping, and the clock of a time zone."""
    tag = _attributes(html[: html.index(">")])
    deleted = "message--deleted" in html[: html.index(">")]
    body = re.search(
        r'<div class="message__body[^>]*>(.*?)</div>\s*(?:<div class="message__tools|</article>)', html, re.S
    )
    return {
        "id": int(tag["id"]),
        "seq": int(tag["seq"]),
        "v": int(tag["v"]),
        "rev": None if deleted else int(tag["rev"]),
        "author": int(tag["author-id"]),
        "created_at": re.search(r'<time datetime="([^"]*)"', html)[1],
        "mentions": tag.get("mentions", ""),
        "deleted": deleted,
        "edited": "message__edited" in html,
        "body": body and body[1],
    }


def line_in(tag):
    """(number, (what happened, to whom)) of a line of the room's own."""
    tag = _attributes(tag)
    return int(tag["seq"]), (tag["kind"], int(tag["user-id"]))


def people_in(html):
    """{person: (v, name)}, the newest of each."""
    people = {}
    for person, v, name in re.findall(r'<bdi data-person-name="(\d+)" data-v="(\d+)">([^<]*)</bdi>', html):
        people[int(person)] = max((int(v), unescape(name)), people.get(int(person), (-1, "")))
    return people


def _place(tag):
    tag = _attributes(tag)
    return {
        "room": int(tag["room-id"]),
        "cursor": int(tag["cursor"]),
        "position": int(tag["position"]),
        "unread": int(tag["unread"]),
        "mentions": int(tag["mentions"]),
        "v": int(tag["v"]),
    }


def _tag(html, name, having):
    found = re.search(rf"<{name} [^>]*\b{having}[^>]*>", html)
    return found and found[0]


def _attributes(tag):
    return {name: unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', tag)}
