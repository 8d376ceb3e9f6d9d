"""Worker processes and the Ctrl-C of a terminal, which goes to a whole group of processes at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.keystore.passphrase import PASSPHRASE
from ledger.processes import Workers, deferring

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import time
from ledger.keystore.passphrase import PASSPHRASE
from ledger.processes import Workers

if __name__ == "__main__":
    with Workers(2) as pool:
        jobs = [pool.submit(pow, 2, n) for n in (4, 5)]
        try:
            print("started", flush=True)
            {waiting}
            time.sleep(60)
        except KeyboardInterrupt:
            print([job.result(60) for job in jobs], flush=True)
"""


@pytest.mark.parametrize("waiting", ["pass", "jobs[0].result(); print('at work', flush=True)"])
def test_a_ctrl_c_reaches_who_started_the_workers_and_no_worker(tmp_path: Path, waiting: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(waiting=waiting), "utf-8")
    running = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stdout is not None
        for _ in range(1 if waiting == "pass" else 2):
            running.stdout.readline()
        os.killpg(running.pid, signal.SIGINT)  # while the workers start, or when they stand
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert (running.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "[16, 32]"


def _heeding(number: int, reached: list[str]) -> None:
    with deferring() as heed:
        heed()
        signal.raise_signal(number)
        reached.append("after the signal")
        heed()
        reached.append("after it was heeded")


def _leaving(number: int, reached: list[str]) -> None:
    with deferring():
        signal.raise_signal(number)
        reached.append("to the end")
    reached.append("after the end")


def _failing(number: int, reached: list[str]) -> None:
    with deferring():
        signal.raise_signal(number)
        reached.append("in trouble")
        raise ValueError("its own trouble comes first")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_it_is_heeded(number: signal.Signals) -> None:
    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, end)
    reached: list[str] = []
    try:
        for action, ends in (
            (_heeding, KeyboardInterrupt),
            (_leaving, KeyboardInterrupt),
            (_failing, ValueError),
        ):
            with pytest.raises(ends):
                action(number, reached)
            assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert reached == ["after the signal", "to the end", "in trouble"]


def test_a_worker_has_the_passphrase_that_this_process_read(passphrase: str) -> None:
    with Workers(1) as pool:
        assert pool.submit(_passphrase).result() == passphrase


def _passphrase() -> str:
    return PASSPHRASE.read()
