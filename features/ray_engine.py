"""Extraction by all machines of a Ray cluster: one actor a GPU or group of cores, a desk between them.

Each actor does what one machine alone would, into the same folder, where files appear whole or not at all. Of an actor
that is lost, with its machine or alone, the unfinished videos go to the others. Machines that join later help, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .._version import __version__
from ..core.errors import Failure, FeatureError, ThasError, plural
from ..core.files import writing
from ..core.messages import Progress, logger
from ..core.ray_session import Head, cluster_lost, on_node, ray_session
from ..core.temporary_names import remove_unfinished_of, unfinished_path
from .cache import FeatureCache
from .cache_writer import file_name
from .dispatch import Account, Desk
from .extraction_job import Estimate, Job
from .ray_actor import Actor, Terms

# Cores that work best as one group: the network's lanes on a processor are four at most.
_GROUP_CORES = 4
# A video that was in work on so many processes that died is taken for the cause.
_MOST_DEATHS = 3
# A machine on which so many processes died before they were ready is left alone.
_MOST_STARTS = 2
_LOOK_EVERY_SECONDS = 2.0


def parts_of(resources: Mapping[str, float], device: str | None) -> tuple[int, int, int]:
    """Into how many parts a machine is divided, with how many cores and GPUs each.

    >>> parts_of({"CPU": 16.0, "GPU": 2.0}, None), parts_of({"CPU": 10.0}, None), parts_of({"CPU": 2.0}, "cpu")
    ((2, 8, 1), (2, 5, 0), (1, 2, 0))
    >>> parts_of({"CPU": 2.0}, "cuda"), parts_of({}, None)
    ((0, 0, 0), (0, 0, 0))
    """
    cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if gpus and device != "cpu":
        return gpus, cores // gpus, 1
    if cores and device != "cuda":
        parts = max(1, cores // _GROUP_CORES)
        return parts, cores // parts, 0
    return 0, 0, 0


@dataclass(eq=False)
class _Hand:
    """One actor, as the machine that started the work sees it."""

    who: int
    node: str
    host: str
    actor: object
    task: str  # what it does now: "prepare", "estimate", "extract" or, having nothing to do, ""
    answer: object
    tag: str = ""
    shares: float = 0.0
    finished: int = 0


class ClusterRun(Account):
    """The state of one extraction by a cluster."""

    def __init__(
        self,
        job: Job,
        progress: Progress,
        *,
        address: str | None = None,
        announce: Callable[[Estimate], object] | None = None,
    ) -> None:
        super().__init__()
        self._job = replace(job, out=job.out.absolute())
        self._progress, self._address, self._announce = progress, address, announce
        self._hands: dict[int, _Hand] = {}
        self._count = 0
        self._refused: dict[str, str] = {}  # machines that cannot help, and why
        self._stillborn: dict[str, int] = {}
        self._deaths: dict[str, int] = {}
        self._told = self._past = 0.0

    def work(self, videos: Iterable[tuple[str, Path]], *, decoders: int) -> None:
        """Extract videos, given by name and file; each machine has as many decoders as it has cores.

        Raises:
            FeatureError: There is no cluster, no machine of it can help, or all of it was lost.
            DataError: The cache cannot be written to.
        """
        self._videos = {video: path.absolute() for video, path in videos}
        proof = unfinished_path(self._job.out / "proof")
        with writing(self._job.out):
            proof.touch()
        witness = next((path for path in self._videos.values() if path.exists()), None)
        self._terms = Terms(__version__, proof, witness)
        try:
            with ray_session(self._address) as self._ray:
                try:
                    self._extract()
                except (self._ray.exceptions.RayError, ConnectionError) as error:
                    raise cluster_lost(self._address, str(error)) from error
                finally:
                    for hand in list(self._hands.values()):
                        self._end(hand)
        finally:
            proof.unlink(missing_ok=True)
        self._progress(max(0.0, len(self._videos) - self._told))

    def _extract(self) -> None:
        ray = self._ray
        context = ray.get_runtime_context()
        here, head = context.get_node_id(), Head(context.gcs_address, self._address)
        self._desk = ray.remote(num_cpus=0)(Desk).options(**on_node(here)).remote(list(self._videos.items()))
        # By way of Ray, so that the weights need to lie on this machine only.
        self._loaded = ray.put(self._job.loaded)
        self._job = replace(self._job, loaded=None)  # type: ignore[arg-type]
        looked = -_LOOK_EVERY_SECONDS
        while True:
            head.check()
            waiting = self._read()
            if len(self.done) + len(self.failed) >= len(self._videos):
                return
            if (waiting or not self._hands) and time.monotonic() - looked > _LOOK_EVERY_SECONDS:
                self._employ()
                looked = time.monotonic()
            for hand in self._hands.values():
                if waiting and not hand.task:
                    self._set(hand, "extract")
            answers = {hand.answer: hand for hand in self._hands.values() if hand.task}
            if not answers:
                time.sleep(0.25)
                continue
            ready, _ = ray.wait(list(answers), timeout=0.25)
            for answer in ready:
                self._answered(answers[answer])

    def _employ(self) -> None:
        """An actor for each part of each machine that has none, machine by machine in turn."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        free: list[tuple[int, str, str, int, int]] = []
        for node in nodes:
            parts, cores, gpus = parts_of(node["Resources"], self._job.machines.device)
            name, host = node["NodeID"], node["NodeManagerHostname"]
            busy = sum(hand.node == name for hand in self._hands.values())
            free += [(part, name, host, cores, gpus) for part in range(busy, parts) if name not in self._refused]
        if not free and not self._hands:
            raise FeatureError(
                "no machine of the Ray cluster can extract features",
                why="; ".join(self._refused.values()) or "none has a free core or GPU that Ray may use",
                next="correct that and run the same command again: it continues with what is missing",
            )
        left = len(self._videos) - len(self.done) - len(self.failed) - len(self._hands)
        for _, name, host, cores, gpus in sorted(free)[: max(0, left)]:
            self._count += 1
            machines = self._job.machines
            job = replace(self._job, machines=replace(machines, device=machines.device or (None if gpus else "cpu")))
            remote = self._ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=0)(Actor)
            actor = remote.options(**on_node(name)).remote(
                self._count, job, self._loaded, self._terms, max(1, cores), self._desk
            )
            hand = _Hand(self._count, name, host, actor, "", None)
            self._hands[hand.who] = hand
            self._set(hand, "prepare")

    def _set(self, hand: _Hand, task: str, *arguments: object) -> None:
        hand.task, hand.answer = task, getattr(hand.actor, task).remote(*arguments)

    def _answered(self, hand: _Hand) -> None:
        """Go on with an actor that has done its task, or died over it."""
        errors = self._ray.exceptions
        try:
            found = self._ray.get(hand.answer)
        except errors.RayActorError as error:
            if hand.task == "prepare":
                self._stillborn[hand.node] = self._stillborn.get(hand.node, 0) + 1
                if self._stillborn[hand.node] >= _MOST_STARTS:
                    why = [line.strip() for line in str(error).splitlines() if line.strip()]
                    self._refused[hand.node] = f"{hand.host}: its process does not start: {why[-1]}"
            self._lost(hand, "was lost")
            return
        except errors.RayTaskError as error:
            # What one machine cannot do, another may.
            self._refused[hand.node] = f"{hand.host}: {type(error.cause).__name__}: {error.cause}".splitlines()[0]
            self._lost(hand, f"failed ({type(error.cause).__name__}: {error.cause})".splitlines()[0])
            return
        task, hand.task = hand.task, ""
        if task == "prepare":
            hand.host, hand.tag, refusal = found
            if refusal:
                self._refused[hand.node] = f"{hand.host}: {refusal}"
                self._lost(hand, f"cannot help: {refusal}")
            elif self._announce is not None:
                announce, self._announce = self._announce, None
                self._estimated = announce
                self._set(hand, "estimate", self._videos)
            else:
                self._set(hand, "extract")
        elif task == "estimate":
            nodes = {other.node for other in self._hands.values()}
            count = len(self._hands)
            where = f"{found.device} ({plural(count, 'process', 'processes')} on {plural(len(nodes), 'machine')})"
            self._estimated(replace(found, seconds=found.seconds / count, device=where))
            self._set(hand, "extract")
        elif isinstance(found, ThasError):
            raise found

    def _read(self) -> int:
        """Note what the actors told the desk; returns how many videos wait there."""
        news, waiting = self._ray.get(self._desk.news.remote())
        for who, one in news:
            self.add(one)
            hand = self._hands.get(who)
            for text in one.warnings:
                logger.warning(text if hand is None else f"{hand.host}: {text}")
            if hand is not None:
                hand.shares += one.shares
                hand.finished += len(one.done) + len(one.failed)
        level = self._past + sum(hand.shares for hand in self._hands.values())
        if level > self._told:  # it falls back where a machine is lost, but nobody likes to see that
            self._progress(level - self._told)
            self._told = level
        return waiting

    def _end(self, hand: _Hand) -> None:
        """End an actor and remove what it was writing, if it was."""
        del self._hands[hand.who]
        with suppress(Exception):
            self._ray.kill(hand.actor)
        if hand.tag:
            remove_unfinished_of(self._job.out, hand.tag)

    def _lost(self, hand: _Hand, how: str) -> None:
        """Give an actor's unfinished videos to the others, except those that it finished without telling."""
        unfinished: list[str] = self._ray.get(self._desk.dismiss.remote(hand.who))
        self._read()
        self._past += hand.finished
        self._end(hand)
        again: list[tuple[str, Path]] = []
        for video in unfinished:
            self._deaths[video] = self._deaths.get(video, 0) + 1
            if (self._job.out / file_name(video)).exists():
                cache = FeatureCache(self._job.out)
                self.done.append(video)
                self.clips += cache.shape_of(video)[0]
                source = cache.source_of(video)
                self.partial += [video] * bool(source.get("partial"))
                self.guessed += [video] * ("guessed_fps" in source)
            elif self._deaths[video] >= _MOST_DEATHS:
                why = f"{_MOST_DEATHS} processes died while they had it in work"
                self.failed.append(Failure(video, "network", why))
            else:
                again.append((video, self._videos[video]))
        self._past += len(unfinished) - len(again)
        self._ray.get(self._desk.put_back.remote(again))
        if hand.tag or hand.node in self._refused:
            redone = f"; {plural(len(again), 'video')} of it will be done again" if again else ""
            logger.warning(f"a process on {hand.host} {how}{redone}")
