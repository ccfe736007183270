"""Templates are compiled once, and never shown as they were before."""

import os

import jinja2
import pytest

from chat.core.compiled import Compiled


@pytest.fixture
def show(tmp_path):
    """show(text, **options) → (what a page of that text says, how often it had to be compiled), by another environment
    each time, as in another process. `show.folder` is where bytecode is kept."""
    (tmp_path / "templates").mkdir()

    def show(text, **options):
        (tmp_path / "templates" / "page.html").write_text(text)
        compiled = []

        class Noting(jinja2.Environment):
            def compile(self, source, *args, **kwargs):
                compiled.append(source)
                return super().compile(source, *args, **kwargs)

        loader = jinja2.FileSystemLoader(tmp_path / "templates")
        environment = Noting(loader=loader, autoescape=True, **options)
        environment.bytecode_cache = Compiled(environment, show.folder)
        return environment.get_template("page.html").render(name="<Noa>"), len(compiled)

    show.folder = tmp_path / "templates" / "__pycache__"
    return show


def test_a_template_is_compiled_once_for_all_processes(show):
    assert show("Hello {{ name }}") == ("Hello &lt;Noa&gt;", 1)
    assert show("Hello {{ name }}") == ("Hello &lt;Noa&gt;", 0)


def test_one_that_has_changed_is_compiled_again(show):
    show("Hello {{ name }}")

    assert show("Bye {{ name }}") == ("Bye &lt;Noa&gt;", 1)


def test_what_was_compiled_with_other_options_is_compiled_again(show):
    show("Hello{% if name %}\n!{% endif %}")

    assert show("Hello{% if name %}\n!{% endif %}", trim_blocks=True) == ("Hello!", 1)


def test_where_nothing_may_be_written_it_is_compiled_each_time(show, tmp_path):
    show.folder = tmp_path / "a file" / "__pycache__"  # root may write into any folder, but into no file
    show.folder.parent.write_text("")

    assert show("Hello {{ name }}") == show("Hello {{ name }}") == ("Hello &lt;Noa&gt;", 1)
    assert os.listdir(tmp_path / "templates") == ["page.html"]


def test_what_is_cut_short_anywhere_is_compiled_again(show):
    show("Hello {{ name }}")
    (path,) = show.folder.iterdir()
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert show("Hello {{ name }}") == ("Hello &lt;Noa&gt;", 1), size
