"""The README's generated tables. `python -m tests.support.readme` writes them anew."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from handler.settings import Settings
from handler.translate.losses import LOSSES

README = Path(__file__).parents[2] / "README.md"


def settings_table() -> str:
    """Every setting that a user may set: name, default, what it is for."""
    rows = ["| name | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.exclude:
            continue
        rows.append(f"| `{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows) + "\n"


def losses_table() -> str:
    """Every name that `x-dropped` may hold, and why."""
    return "\n".join(["| name | why |", "|---|---|", *(f"| `{name}` | {why} |" for name, why in LOSSES.items()), ""])


TABLES = {"settings": settings_table, "losses": losses_table}


def block(name: str) -> re.Pattern[str]:
    """Where a table stands in the README."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def _shown(default: object) -> str:
    match default:
        case None | "" | () | {} if default is not PydanticUndefined:
            return ""
        case tuple():
            return f"`{','.join(map(str, default))}`"
        case bool():
            return f"`{str(default).lower()}`"
    return f"`{default}`"


def main() -> None:
    """Writes the tables."""
    text = README.read_text()
    for name, table in TABLES.items():
        text = block(name).sub(lambda _, table=table: table(), text)
    README.write_text(text)


if __name__ == "__main__":
    main()
