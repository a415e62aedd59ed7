"""The options of networks of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from segbench.errors import BadOption
from segbench.inputs import parse
from segbench.spec import check_source, is_own, with_arguments
from segbench.spec import parse as parse_spec


def check_sources(names: Iterable[str | None] | None) -> None:
    """Refuse networks of the user's own whose source is not there, before torch is imported.

    Raises:
        FactoryError: there is no such file or module, or it has no such name.
    """
    for name in names or ():
        if name is not None and is_own(name):
            check_source(name)


def source_files(names: Iterable[str | None]) -> list[Path]:
    """Where networks of the user's own in the current folder are written, whether they are there or not."""
    sources = [parse_spec(name).source for name in names if name is not None and is_own(name)]
    return [Path(source if source.endswith(".py") else f"{source.replace('.', '/')}.py") for source in sources]


def with_own_arguments(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The same networks; those of the user's own as segbench writes them, with the arguments of ``--arg``.

    Raises:
        FactoryError: a network, or an argument, that cannot be read, or a source that is not there.
        BadOption: arguments without a network of the user's own.
    """
    if arguments and not any(map(is_own, names)):
        raise _no_own("--arg")
    check_sources(names)
    return [with_arguments(str(parse_spec(name)), arguments) if is_own(name) else name for name in names]


def own_networks(names: Sequence[str], inputs: Sequence[str], output: str | None) -> list[str]:
    """The networks of the user's own among `names`.

    Raises:
        BadOption: inputs or an output are given, and there are none.
    """
    own = [name for name in names if is_own(name)]
    if not own and (inputs or output is not None):
        raise _no_own("--input" if inputs else "--output")
    return own


def input_texts(given: Sequence[str] | None) -> tuple[str, ...]:
    """What ``--input`` gives, as segbench writes it.

    Raises:
        BadOption: no shape.
    """
    return tuple(str(parse(text)) for text in given or ())


def _no_own(option: str) -> BadOption:
    return BadOption(f"{option} is for networks of your own, as in mynets:Net, and none is named")
