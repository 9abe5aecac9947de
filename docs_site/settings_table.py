"""The table of the server's settings, between two comments in a page of docs/.

`python -m docs_site.settings_table` updates it after a change to a setting.
"""

from __future__ import annotations

from pathlib import Path

from docs_site.markdown import code, table
from multimail_cli.serve import default_text, option_name
from multimail_server.config import DeclaredSetting, get_settings

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- settings: written by docs_site.settings_table -->", "<!-- end of settings -->"


def render() -> str:
    """Return the table, with the comments around it."""
    rows = (_row(item) for item in get_settings() if item.setting.option)
    return f"{BEGIN}\n\n{table(('option', 'meaning', 'default'), rows)}\n\n{END}"


def find_page() -> Path:
    """Return the page with the table.

    Raises:
        LookupError: There is not exactly one such page.
    """
    pages = [path for path in sorted(DOCS.rglob("*.md")) if BEGIN in path.read_text("utf-8")]
    if len(pages) != 1:
        raise LookupError(f"{len(pages)} pages of docs/ contain {BEGIN!r}; exactly one page must.")
    return pages[0]


def write() -> None:
    """Replace the table in its page."""
    page = find_page()
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    page.write_text(before + render() + rest.partition(END)[2], "utf-8")


def _row(item: DeclaredSetting) -> tuple[str, str, str]:
    metavar = f" {item.setting.metavar}" if item.setting.metavar else ""
    variable = f" Variable: {code(item.setting.env)}." if item.setting.env else ""
    return code(option_name(item) + metavar), item.setting.help + variable, default_text(item)


if __name__ == "__main__":
    write()
