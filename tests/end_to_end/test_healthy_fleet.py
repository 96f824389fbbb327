"""A healthy live fleet is left alone."""

from pathlib import Path

import pytest
from rich.console import Console

from console.demo.demo import ACTS, learn_what_is_normal
from console.demo.fleet import HOSTS
from console.demo.interruption import Interruptions
from console.demo.stage import Stage
from console.demo.story import Story
from console.demo.view import view_for
from detectors.signals import SignalState

HEALTHY_SECONDS = 180.0
BUILD_UP = ACTS[: [act.play for act in ACTS].index(learn_what_is_normal) + 1]


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_healthy_fleet_is_left_alone_for_three_minutes(tmp_path: Path) -> None:
    """Eight live services under load for three minutes after warm-up: no anomaly is raised, nothing is run."""
    with Interruptions() as interruptions, view_for(Console()) as view:
        stage = Stage(tmp_path / "demo", 0, view, tuple(act.title for act in BUILD_UP), interruptions)
        try:
            for number, act in enumerate(BUILD_UP):
                stage.enter(number)
                act.play(stage)
            spawned = stage.fleet.spawns()
            stage.rest(HEALTHY_SECONDS)
            story, restarted = stage.story, stage.fleet.spawns()
        finally:
            stage.close()

    assert set(HOSTS) == set(story.hosts)
    assert [] == raised(story)
    assert {} == story.incidents
    assert spawned == restarted


def raised(story: Story) -> list[str]:
    """What was raised, in words that help when there is something."""
    return [
        f"{heard.signal.host}: score {heard.signal.score}, {heard.signal.evidence.series[:3]}"
        for heard in story.signals
        if heard.signal.state is SignalState.RAISED
    ]
