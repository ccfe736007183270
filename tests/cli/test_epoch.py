from chat.accounts.queries import user_by_username
from chat.core.db import db
from chat.site.queries import the_site


def begin_anew(app):
    result = app.test_cli_runner().invoke(args=["epoch", "new"])
    db.session.rollback()
    return result


def test_another_epoch_each_time(app):
    epochs = {the_site().epoch}
    for _ in range(2):
        assert begin_anew(app).exit_code == 0
        epochs.add(the_site().epoch)

    assert len(epochs) == 3


def test_whoever_is_connected_is_told_and_comes_back_to_it(app, alice, live):
    here = live(alice)
    before = here.hello["epoch"]
    here.received()

    begin_anew(app)
    app.extensions["live"].pump.poll()

    assert here.received("reset") == [{"stream": "*", "reason": "epoch"}]
    assert not app.extensions["live"].connections.of(alice.id)
    again = live(user_by_username("alice"))
    assert again.hello["epoch"] == the_site().epoch != before


def test_what_was_known_before_is_answered_with_a_reset(app, alice, general, live):
    before = the_site().epoch
    begin_anew(app)
    app.extensions["live"].pump.poll()

    answer = live(alice).emit("resume", {"epoch": before, "streams": {general.stream: 0}})

    assert answer["ok"]
    assert answer["streams"] == {"*": {"reset": True}}


def test_before_there_is_a_community_there_is_nothing_to_begin(app, nobody_here):
    result = begin_anew(app)

    assert result.exit_code == 1
    assert "There is no community in this database yet." in result.output
