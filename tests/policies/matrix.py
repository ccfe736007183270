"""Who may do what, by hand: what a person who designs the product says, not what the code says.

Y  it is done, or shown
F  forbidden, with a reason that tells nothing new
N  there is no such thing: the same answer as for what never was
L  sign in first
I  refused for what was typed, which is the same for everybody
.  the cell makes no sense: somebody who was never there has no message of their own

Actors: AN nobody signed in, BN a member whose account is closed, RV a member whose session was ended. GU a guest
elsewhere, GR a guest in the room, GF one who was in it. ME a member of the community, FM one who was in the room, MR
one who is, MO a moderator of the room, RO its owner, FO one who was its owner. SM a moderator of the community, SR one
in the room; AD an administrator, AR one in the room; OW the owner of the community, OR another in the room. BO a bot
elsewhere, BR one in the room.
"""

ACTORS = "AN BN RV GU GR GF ME FM MR MO RO FO SM SR AD AR OW OR BO BR".split()  # noqa: SIM905 - as below
KINDS = ("public", "private", "archived public", "archived private")

# What can be done in a room. A kind that is not written down is as when the room was open; "closed": Y becomes F.
ROOMS = """
#                                AN BN RV  GU GR GF  ME FM MR MO RO FO  SM SR  AD AR  OW OR  BO BR

see               public         L  L  L   N  Y  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  Y
see               private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y

join              public         L  L  L   N  Y  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  Y
join              private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y
join     archived public         L  L  L   N  Y  N   F  F  Y  Y  Y  F   F  Y   F  Y   F  Y   N  Y

leave             public         L  L  L   N  Y  N   F  F  Y  Y  Y  F   F  Y   F  Y   F  Y   N  Y
leave             private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y

write             public         L  L  L   N  Y  N   F  F  Y  Y  Y  F   F  Y   F  Y   F  Y   N  Y
write             private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y
write             archived       closed

change-own        public         .  L  L   .  Y  N   .  F  Y  Y  Y  F   .  Y   .  Y   .  Y   .  Y
change-own        private        .  L  L   .  Y  N   .  N  Y  Y  Y  N   .  Y   .  Y   .  Y   .  Y
change-own        archived       closed

edit-foreign      public         L  L  L   N  F  N   F  F  F  F  F  F   F  F   F  F   F  F   N  F
edit-foreign      private        L  L  L   N  F  N   N  N  F  F  F  N   N  F   N  F   N  F   N  F

delete-foreign    public         L  L  L   N  F  N   F  F  F  Y  Y  F   Y  Y   Y  Y   Y  Y   N  F
delete-foreign    private        L  L  L   N  F  N   N  N  F  Y  Y  N   N  F   N  F   N  F   N  F
delete-foreign    archived       closed

own-history       public         .  L  L   .  Y  N   .  Y  Y  Y  Y  Y   .  Y   .  Y   .  Y   .  Y
own-history       private        .  L  L   .  Y  N   .  N  Y  Y  Y  N   .  Y   .  Y   .  Y   .  Y

foreign-history   public         L  L  L   N  F  N   F  F  F  Y  Y  F   Y  Y   Y  Y   Y  Y   N  F
foreign-history   private        L  L  L   N  F  N   N  N  F  Y  Y  N   N  F   N  F   N  F   N  F

add               public         L  L  L   N  F  N   F  F  Y  Y  Y  F   F  Y   F  Y   F  Y   N  F
add               private        L  L  L   N  F  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  F
add               archived       closed

remove-member     public         L  L  L   N  F  N   F  F  F  Y  Y  F   Y  Y   Y  Y   Y  Y   N  F
remove-member     private        L  L  L   N  F  N   N  N  F  Y  Y  N   N  F   N  F   N  F   N  F
remove-member     archived       closed

remove-moderator  public         L  L  L   N  F  N   F  F  F  F  Y  F   F  F   Y  Y   Y  Y   N  F
remove-moderator  private        L  L  L   N  F  N   N  N  F  F  Y  N   N  F   N  F   N  F   N  F
remove-moderator  archived       closed

run               public         L  L  L   N  F  N   F  F  F  F  Y  F   F  F   Y  Y   Y  Y   N  F
run               private        L  L  L   N  F  N   N  N  F  F  Y  N   N  F   N  F   N  F   N  F
run               archived       closed

keep              public         L  L  L   N  F  N   F  F  F  F  Y  F   F  F   Y  Y   Y  Y   N  F
keep              private        L  L  L   N  F  N   N  N  F  F  Y  N   N  F   N  Y   N  Y   N  F
keep     archived public         L  L  L   N  F  N   F  F  F  F  F  F   F  F   Y  Y   Y  Y   N  F
keep     archived private        L  L  L   N  F  N   N  N  F  F  F  N   N  F   N  Y   N  Y   N  F

hold              public         L  L  L   N  F  N   F  F  F  F  F  F   F  F   Y  Y   Y  Y   N  F
hold              private        L  L  L   N  F  N   N  N  F  F  F  N   N  F   N  Y   N  Y   N  F

report-foreign    public         L  L  L   N  Y  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  F
report-foreign    private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  F

report-own        public         .  L  L   .  F  N   .  F  F  F  F  F   .  F   .  F   .  F   .  F
report-own        private        .  L  L   .  F  N   .  N  F  F  F  N   .  F   .  F   .  F   .  F

archive           public         L  L  L   N  F  N   F  F  F  F  Y  F   F  F   Y  Y   Y  Y   N  F
archive           private        L  L  L   N  F  N   N  N  F  F  Y  N   N  F   N  F   N  F   N  F

follow            public         L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y
follow            private        L  L  L   N  Y  N   N  N  Y  Y  Y  N   N  Y   N  Y   N  Y   N  Y
"""

# What can be done in the community. Of people: mia is in the room, stan in none of the guests', adam an administrator.
COMMUNITY = """
#                                AN BN RV  GU GR GF  ME FM MR MO RO FO  SM SR  AD AR  OW OR  BO BR
anyone                           Y  Y  Y   Y  Y  Y   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   Y  Y
nobody                           N  N  N   N  N  N   N  N  N  N  N  N   N  N   N  N   N  N   N  N
signed-in                        L  L  L   Y  Y  Y   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   Y  Y
oneself                          L  L  L   Y  Y  Y   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   F  F
by-password                      L  L  L   Y  Y  Y   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   .  .
of-another                       L  L  L   N  N  N   N  N  N  N  N  N   N  N   N  N   N  N   N  N
create                           L  L  L   F  F  F   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   F  F
own-invite                       L  L  L   .  .  .   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   .  .
foreign-invite                   L  L  L   N  N  N   N  N  N  N  N  N   N  N   Y  Y   Y  Y   N  N
administer                       L  L  L   F  F  F   F  F  F  F  F  F   F  F   Y  Y   Y  Y   F  F
figures                          N  N  N   N  N  N   N  N  N  N  N  N   N  N   Y  Y   Y  Y   N  N
refused                          I  I  I   I  I  I   I  I  I  I  I  I   I  I   I  I   I  I   I  I
refused-there                    L  L  L   I  I  I   I  I  I  I  I  I   I  I   I  I   I  I   I  I
oneself-refused                  L  L  L   I  I  I   I  I  I  I  I  I   I  I   I  I   I  I   F  F
own-missing                      L  L  L   N  N  N   N  N  N  N  N  N   N  N   N  N   N  N   F  F
nothing-to-answer                L  L  L   F  F  F   F  F  F  F  F  F   F  F   F  F   F  F   F  F
first-first                      L  L  L   L  L  L   L  L  L  L  L  L   L  L   L  L   L  L   L  L
own                              L  L  L   F  F  F   F  F  F  F  F  F   F  F   F  F   Y  Y   F  F
see-mia                          L  L  L   N  Y  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  Y
see-stan                         L  L  L   N  N  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  N
role-of-mia                      L  L  L   N  F  N   F  F  F  F  F  F   F  F   Y  Y   Y  Y   N  F
make-mia-owner                   L  L  L   N  F  N   F  F  F  F  F  F   F  F   F  F   Y  Y   N  F
mute-mia                         L  L  L   N  Y  N   Y  Y  Y  Y  Y  Y   Y  Y   Y  Y   Y  Y   N  F
moderate                         L  L  L   F  F  F   F  F  F  F  F  F   Y  Y   Y  Y   Y  Y   F  F
moderate-mia                     L  L  L   N  F  N   F  F  F  F  F  F   Y  Y   Y  Y   Y  Y   N  F
see-report                       L  L  L   N  N  N   N  N  N  N  N  N   Y  Y   Y  Y   Y  Y   N  N
admin-only                       L  L  L   N  N  N   N  N  N  N  N  N   N  N   Y  Y   Y  Y   N  N
role-of-adam                     L  L  L   N  N  N   F  F  F  F  F  F   F  F   F  F   Y  Y   N  N
own-role                         L  L  L   F  F  F   F  F  F  F  F  F   F  F   F  F   F  F   F  F
"""


def parsed(text):
    """{(name, kind): {actor: letter}}; the kind is "" where there is none."""
    table = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, *words = line.split()
        kind = " ".join(word for word in words if word in ("public", "private", "archived"))
        letters = [word for word in words if word not in ("public", "private", "archived")]
        if letters == ["closed"]:
            for open_kind in ("public", "private"):
                was = table[name, open_kind]
                table[name, f"archived {open_kind}"] = {a: "F" if was[a] == "Y" else was[a] for a in ACTORS}
            continue
        assert len(letters) == len(ACTORS), line
        assert set(letters) <= set("YFNLI."), line
        table[name, kind] = dict(zip(ACTORS, letters, strict=True))
    return table


def of_rooms():
    """The same for every kind of room."""
    table = parsed(ROOMS)
    for name in {name for name, _ in table}:
        for kind in ("public", "private"):
            table.setdefault((name, f"archived {kind}"), table[name, kind])
    return table


def of_community():
    return {name: letters for (name, _), letters in parsed(COMMUNITY).items()}
