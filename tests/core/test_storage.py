import pytest

from chat.core import storage


def test_what_is_saved_is_found_under_a_name_nobody_can_guess(app):
    name = storage.save("avatars", b"picture", ".webp")

    assert storage.path_of("avatars", name).read_bytes() == b"picture"
    assert name.endswith(".webp") and len(name) > 20
    assert name != storage.save("avatars", b"picture", ".webp")


def test_a_file_is_whole_or_absent(app, monkeypatch):
    def crash(*_):
        raise OSError("no space left")

    monkeypatch.setattr(storage.os, "replace", crash)
    with pytest.raises(OSError, match="no space"):
        storage.save("avatars", b"half", ".webp")
    assert [f for f in storage.folder("avatars").iterdir() if storage.path_of("avatars", f.name)] == []


@pytest.mark.parametrize(
    "name", ["", None, ".", "..", "../secret_key", "/etc/passwd", "a/b", ".hidden", "none.webp", "x\0y", "x" * 5000]
)
def test_names_from_outside_lead_nowhere_else(app, name):
    storage.save("avatars", b"x", ".webp")
    assert storage.path_of("avatars", name) is None


def test_what_is_forgotten_is_gone_and_forgetting_twice_is_once(app):
    name = storage.save("avatars", b"x", ".webp")
    storage.forget("avatars", name)
    storage.forget("avatars", name)
    storage.forget("avatars", "../secret_key")

    assert storage.path_of("avatars", name) is None
