"""An outcome as the body of a pull-request comment, which a script can find again and replace."""

from __future__ import annotations

from segbench.regress.judge import Outcome
from segbench.regress.output import markdown
from segbench.regress.render import how_to_accept

MARKER = "<!-- segbench check -->"
"""The first line of the comment: a script replaces the comment that begins with it."""

# GitHub takes 65,536 characters.
_LONGEST = 60_000


def comment(outcome: Outcome, page_url: str | None = None) -> str:
    """The body in Markdown: verdict, table and findings, the worst first.

    Args:
        outcome: of the check.
        page_url: page that it links to; None for none.
    """
    link = f"\n[All measurements]({page_url})\n" if page_url else ""
    command = how_to_accept(outcome)
    accept = f"\nWhat is meant is accepted by `{command}`; commit the baseline then.\n" if command else ""
    room = _LONGEST - len(link) - len(accept)
    lines = markdown(outcome).splitlines()
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            kept.append(f"- ... and {len(lines) - len(kept)} lines more")
            break
        kept.append(line)
    return "\n".join([MARKER, *kept]) + "\n" + accept + link
