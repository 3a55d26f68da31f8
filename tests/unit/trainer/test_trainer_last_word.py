"""The termination message of a complete run: the verdict in a sentence, and what to do about a missed gate."""

from datetime import UTC, datetime

import pytest
from visionft_api.conditions import Reason
from visionft_api.status import Evaluation, Resolved, Verdict
from visionft_trainer.reporting.report import Result, success_message

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def last_word(evaluation: Evaluation | None) -> tuple[str, str]:
    """Reason and text of a run that was measured so."""
    result = Result(
        run=1,
        spec_hash="ab",
        start_time=NOON,
        completion_time=NOON,
        steps=10,
        rows={},
        evaluation=evaluation,
        artifacts=[],
        resolved=Resolved(),
        notes=["The batch was halved once."],
        curve=[],
    )
    message = success_message(result)
    assert message.exit_code == 0
    return message.reason, message.message


@pytest.mark.parametrize(
    ("verdict", "reason", "advice"),
    [
        ("Passed", Reason.GATES_PASSED, ""),
        ("NoGates", Reason.COMPLETED, ""),
        ("Failed", Reason.GATE_NOT_MET, " Train longer or on more rows, or change the gate."),
    ],
)
def test_a_complete_run_ends_with_the_verdicts_sentence(verdict: Verdict, reason: str, advice: str) -> None:
    sentence = "Tuning lowered the CER from 0.71 to 0.05 on 300 rows."
    told = last_word(Evaluation(verdict=verdict, summary=sentence))
    assert told == (reason, f"The run is complete. {sentence}{advice} The batch was halved once.")


def test_a_run_that_nothing_was_measured_in_is_complete() -> None:
    assert last_word(None) == (Reason.COMPLETED, "The run is complete. The batch was halved once.")
