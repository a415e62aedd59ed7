"""Where a comparison's jobs run: on this machine one after another, on several of its GPUs, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.cli.long_run import say
from segbench.errors import BadOption

if TYPE_CHECKING:
    from segbench.compare.run import Kind
    from segbench.job import Job, Settings
    from segbench.places.loop import Places


@dataclass
class Where:
    """Places for jobs, closed as the block ends.

    Attributes:
        places: what takes jobs; None for this machine as it is.
        kinds: of the places; none for that of this machine.
        before: to be called with the jobs before the first of them.
        ready: to be called before anything is done; gives the kinds.
        told: whether the places have told what they are, so that stored timings can be held against it.
    """

    places: Places | None = None
    kinds: Sequence[Kind] = ()
    before: Callable[[Sequence[Job]], object] | None = None
    ready: Callable[[], Sequence[Kind]] | None = None
    told: bool = True

    def __enter__(self) -> Where:
        """Wait until the places have told what they are."""
        if self.ready is not None:
            try:
                self.kinds = self.ready()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        """End what the places keep."""
        if self.places is not None:
            self.places.close()


def device_of(device: str, no_speed: bool, gpus: str | None, scheduler: str | None, require: Sequence[str]) -> str:
    """The device that the jobs ask for.

    Raises:
        BadOption: options that exclude each other, or malformed ones.
    """
    if require and scheduler is None:
        raise BadOption("--require chooses workers: give it with --scheduler")
    if gpus is None:
        return device
    if scheduler is not None:
        raise BadOption("--gpus are those of this machine: give it without --scheduler")
    if no_speed:
        raise BadOption("--gpus times networks: give it without --no-speed")
    if device not in ("auto", "cuda"):
        raise BadOption(f"--gpus takes the place of --device: give it without --device {device}")
    numbers_of(gpus)
    return "cuda"


def numbers_of(gpus: str) -> list[int]:
    """The numbers that ``--gpus`` names; none for ``all``.

    Raises:
        BadOption: neither numbers nor all.
    """
    parts = [part.strip() for part in gpus.split(",")]
    if gpus != "all" and not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise BadOption(f"--gpus takes all, or numbers as in 0,1,2,3: {gpus} given")
    return [] if gpus == "all" else list(map(int, parts))


def places_for(
    settings: Settings,
    out: Path,
    timeout_s: float,
    allow_mixed: bool,
    gpus: str | None,
    scheduler: str | None,
    require: Sequence[str],
) -> Where:
    """Where the jobs of a call run.

    Raises:
        SegbenchError: those places are malformed, not there, or unlike without `allow_mixed`.
    """
    if scheduler is not None:
        return cluster(scheduler, require, settings, timeout_s, allow_mixed)
    return Where() if gpus is None else several_gpus(gpus, settings, out, timeout_s, allow_mixed)


def cluster(scheduler: str, require: Sequence[str], settings: Settings, timeout_s: float, allow_mixed: bool) -> Where:
    """The workers of the cluster that ``--scheduler`` names.

    Raises:
        BadOption: Dask is not installed, or nobody answers there.
    """
    from segbench.compare.cluster import ClusterPlaces
    from segbench.compare.run import Kind
    from segbench.compare.scheduler import connect, parse_require

    wanted = parse_require(require)
    places = ClusterPlaces(connect(scheduler), settings, wanted, allow_mixed=allow_mixed)
    where = Where(places)

    def ready() -> Sequence[Kind]:
        places.ready(timeout_s)
        kinds = places.kinds()
        where.told = bool(kinds) or not settings.speed
        # Where nobody is there, no stored timing is of their kind.
        return kinds or [Kind(settings.device, "none", {})]

    where.ready = ready
    return where


def several_gpus(text: str, settings: Settings, out: Path, timeout_s: float, allow_mixed: bool) -> Where:
    """The GPUs that ``--gpus`` names.

    Raises:
        BadOption: they are malformed, not there, or of several kinds without `allow_mixed`.
        DeviceError: no CUDA device.
    """
    from segbench.compare.alone import check_alone
    from segbench.compare.gpu_places import GpuPlaces, chosen_gpus

    places = GpuPlaces(chosen_gpus(numbers_of(text)), settings)
    kinds = places.kinds()
    names = list(dict.fromkeys(kind.device_name for kind in kinds))
    if len(names) > 1 and not allow_mixed:
        raise BadOption(
            f"--gpus {text} are of several kinds ({', '.join(names)}), and a ranking takes one: name those of one "
            "kind, or show each apart with --allow-mixed"
        )

    def check(jobs: Sequence[Job]) -> None:
        if None in places.cores:
            say(
                f"note: {len(places.gpus)} GPUs take {2 * len(places.gpus)} cores for processes that do not disturb "
                "one another; this process may use fewer, and none is kept to any"
            )
        say("timing one network alone on a GPU, then beside others")
        warning = check_alone(jobs, places, out, timeout_s)
        if warning:
            say(f"warning: {warning}")

    return Where(places, kinds, check if len(places.gpus) > 1 else None)
