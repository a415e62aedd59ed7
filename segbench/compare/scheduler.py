"""The scheduler of a Dask cluster, and what a comparison requires of its workers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segbench.errors import BadOption, SegbenchError, first_line

CONNECT_S = 10.0


class ClusterError(SegbenchError):
    """A scheduler that does not answer any more."""


def connect(address: str, timeout_s: float = CONNECT_S) -> Any:
    """A client of the scheduler.

    Args:
        address: such as ``tcp://HOST:8786``, or the file that the scheduler wrote.
        timeout_s: for how long to try.

    Raises:
        BadOption: Dask is not installed, no such file, or nobody answers.
    """
    at = address if "://" in address else _address_in(address)
    # Dask refuses these too, with tracebacks of a client that was half made.
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://\S+:\d+", at):
        raise BadOption(f"a scheduler's address is tcp://HOST:PORT or tls://HOST:PORT: {at} given")
    try:
        from distributed import Client, Security
    except ImportError as error:
        raise BadOption("--scheduler needs Dask's distributed: pip install 'segbench[cluster]'") from error
    if at.startswith("tls:") and Security().get_connection_args("client").get("ssl_context") is None:
        raise BadOption(f"{at} needs certificates: set distributed.comm.tls in Dask's configuration")
    # What Dask logs of a connection that fails, and of workers that leave, is said by segbench in one line.
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(at, timeout=timeout_s, set_as_default=False, name="segbench")
    except Exception as error:  # of several kinds: no such host, refused, timed out, TLS
        raise BadOption(f"no Dask scheduler answers at {at}: {first_line(error)}") from error


def _address_in(path: str) -> str:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return str(content["address"])
    except OSError as error:
        raise BadOption(
            f"--scheduler takes an address such as tcp://HOST:8786, or a scheduler's file: {path} given "
            f"({(error.strerror or str(error)).lower()})"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadOption(f"{path} is no file that a Dask scheduler wrote: it has no address") from error


def parse_require(texts: Sequence[str]) -> dict[str, str]:
    """``device_name=NVIDIA H100`` as a name and what it must be.

    Raises:
        BadOption: no such pair.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise BadOption(f'--require takes NAME=VALUE, as in "device_name=NVIDIA H100": {text} given')
        found[name.strip()] = value.strip()
    return found


def matches(told: str, wanted: str) -> bool:
    """Whether whole words of what is told are what is wanted: ``NVIDIA H100`` is in ``NVIDIA H100 80GB HBM3``."""
    have, want = (re.findall(r"[^\s.+]+", text.casefold()) for text in (told, wanted))
    return any(have[at : at + len(want)] == want for at in range(len(have) - len(want) + 1))
