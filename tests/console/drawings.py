"""What a terminal shows."""

import io

from rich.console import Console, RenderableType


def drawn(what: RenderableType, *, width: int = 120, colour: bool = False) -> str:
    """What is printed on a terminal of this width."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="standard" if colour else None)
    console.print(what)
    return out.getvalue()
