"""Hearing what FFmpeg says: of this video alone, whatever else is decoded meanwhile."""

from __future__ import annotations

import threading

import av
import pytest
from av.logging import DEBUG, ERROR, INFO, get_level, log

from thas.features.listening import Heard, Remark, listening
from thas.features.opening import opened
from thas.features.thorough import Account, every_frame

from .video_files import write_video


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("heard") / "sound.mp4", 24, options={"g": "12", "bf": "0"})


@pytest.fixture(scope="module")
def lost(sound):
    """Without its sixth picture, which the seventh refers to."""
    path = sound.with_name("lost.mkv")
    with av.open(str(sound)) as whole, av.open(str(path), "w") as out:
        stream = whole.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for place, packet in enumerate(packet for packet in whole.demux(stream) if packet.size):
            if place != 5:
                packet.stream = copy
                out.mux(packet)
    return path


def _references(account):
    return [(event.packet, event.text) for event in account.events if event.kind == "reference"]


def _gap(path):
    account = Account()
    with opened(path) as (container, stream):
        assert len(list(every_frame(container, stream, account))) == 23
    (place, text), *_ = _references(account)
    assert place == 5
    assert "Frame num gap" in text
    return _references(account)


def test_two_videos_decoded_in_turns_are_heard_apart(sound, lost):
    first, second = Account(), Account()
    with opened(lost) as one, opened(sound) as two:
        for _ in zip(every_frame(*one, first), every_frame(*two, second), strict=False):
            pass
    assert _references(first) == _gap(lost)
    assert _references(second) == []


def test_frames_of_videos_decoded_in_turns_know_the_packets_that_they_come_from(tmp_path):
    path = write_video(tmp_path / "v.mp4", 40, options={"g": "20", "bf": "3"})
    with opened(path) as alone:
        known = [(number, frame.pts) for number, frame in every_frame(*alone)]
    assert known != sorted(known), "pictures are shown in another order than they are decoded in"
    with opened(path) as one, opened(path) as two:
        frames, found = every_frame(*one), []
        for late, _ in enumerate(every_frame(*two)):  # the other is some frames ahead
            if late >= 5:
                found.append(next(frames))
        found += frames
    assert [(number, frame.pts) for number, frame in found] == known


def test_a_video_left_in_the_middle_does_not_stop_another_from_being_heard(sound, lost):
    account = Account()
    with opened(sound) as left, opened(lost) as one:
        abandoned = every_frame(*left, Account())
        next(abandoned)
        frames = every_frame(*one, account)
        next(frames)
        abandoned.close()
        assert len(list(frames)) == 22
    assert _references(account) == _gap(lost)


def test_errors_and_lost_references_are_heard_and_each_once():
    with listening() as heard:
        log(INFO, "one", "Missing reference picture")
        log(DEBUG, "one", "nothing of importance")
        log(ERROR, "two", "it is\nbroken")
        log(ERROR, "two", "it is\nbroken")
        broken = Remark("error", "two", "two: it is broken")
        assert heard.remarks() == [Remark("reference", "one", "one: Missing reference picture"), broken, broken]
        assert heard.remarks() == []
    log(ERROR, "three", "nobody listens")
    assert heard.remarks() == []


def test_what_was_not_asked_for_stays_when_listening_goes_on():
    heard = Heard()
    for text in ("first", "second"):
        with listening(heard):
            log(ERROR, "one", text)
    assert heard.first() == "one: first"
    with listening(heard), listening() as inner:
        log(ERROR, "two", "within")
    assert heard.remarks() == []
    assert inner.first("two") == "two: within"


def test_who_ends_first_takes_nothing_from_another_thread():
    before = get_level()
    listens, over = threading.Event(), threading.Event()

    def short():
        with listening():
            listens.set()
            over.wait(10)

    thread = threading.Thread(target=short)
    thread.start()
    listens.wait(10)
    with listening() as heard:
        over.set()
        thread.join()
        log(DEBUG, "h264", "Frame num gap 4 2")
        assert [remark.kind for remark in heard.remarks()] == ["reference"]
    assert get_level() == before
