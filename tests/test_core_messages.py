"""What the package says on its way: who hears it, from this process and from others."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from thas.core.messages import collected, logger, without
from thas.core.processes import run_jobs
from thas.features.dispatch import News
from thas.features.ray_actor import ClusterExtractor, Terms


def test_a_program_hears_warnings_as_any_others(caplog):
    logging.getLogger("thas").warning("the video ends early")
    assert caplog.messages == ["the video ends early"]


def test_advice_is_not_shown_unless_asked_for(caplog):
    with caplog.at_level(logging.WARNING, "thas"):
        logger.info("next: thas train")
    assert caplog.messages == []


def test_collected_keeps_warnings_of_its_own_thread_alone(caplog):
    with collected() as kept:
        logger.warning("here")
        other = threading.Thread(target=lambda: logger.warning("there"))
        other.start()
        other.join()
    logger.warning("after")
    assert kept == ["here"]
    assert caplog.messages == ["there", "after"]


def test_without_drops_only_what_has_the_words(caplog):
    with without("same videos"):
        logger.warning("scored on the same videos")
        logger.warning("one video has no label")
    assert caplog.messages == ["one video has no label"]


def _warns(job: str, device: str, step) -> str:
    logger.warning("%s is short", job)
    logger.info("not shown")
    step()
    return job


def test_warnings_of_other_processes_arrive_here(caplog):
    steps: list[int] = []
    with caplog.at_level(logging.WARNING, "thas"):
        done = dict(run_jobs(_warns, ["a", "b", "c"], workers=2, on_step=steps.append))
    assert done == {0: "a", 1: "b", 2: "c"}
    assert sorted(caplog.messages) == ["a is short", "b is short", "c is short"]
    assert sorted(steps) == [0, 1, 2]


class _Run:
    """The extraction of no videos, with something to say."""

    done, failed, partial, guessed, clips = (), (), (), (), 0

    def __init__(self, job: object, runner: object, progress: object) -> None:
        pass

    def work(self, videos: object, *, decoders: int) -> None:
        logger.warning("few cores")

    def clear(self) -> None:
        pass


class _Job:
    """Of an extraction, as far as an extractor asks."""

    def decoders(self, cores: int) -> int:
        return cores


def test_an_extractor_of_a_cluster_tells_each_warning_once(monkeypatch):
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr("thas.features.ray_actor.ExtractionRun", _Run)
    heard: list[News] = []
    extractor = ClusterExtractor(
        _Job(),  # type: ignore[arg-type]
        terms=Terms("", Path("x"), None),
        cores=1,
        take=lambda most: [],
        tell=lambda news, wait: heard.append(news),
    )
    extractor._runner = object()  # type: ignore[assignment]
    logger.warning("before the work")
    assert extractor.extract() is None
    assert extractor.extract() is None
    assert [text for news in heard for text in news.warnings] == ["before the work", "few cores", "few cores"]
