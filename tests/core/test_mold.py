from chat.core.mold import Mold, blank, escaped


def test_values_stand_where_the_blanks_were_however_often():
    mold = Mold(f"<p id={blank('id')}>{blank('words')}</p><a href=#{blank('id')}>")

    assert mold.fill({"id": "7", "words": "Hi", "more": "unused"}) == "<p id=7>Hi</p><a href=#7>"
    assert mold.fill({"id": "8", "words": ""}) == "<p id=8></p><a href=#8>", "it is as it was"


def test_what_looks_like_a_blank_in_a_value_stays_what_it_is():
    assert Mold(blank("words")).fill({"words": blank("id"), "id": "7"}) == blank("id")


def test_values_are_escaped_as_templates_do_it():
    assert (escaped('<b> & "c"'), escaped(7), escaped("é")) == ("&lt;b&gt; &amp; &#34;c&#34;", "7", "é")
