"""The checked-in artifacts: readable, typed, and byte for byte what the sources compile to."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from contracts import artifacts, build
from tests.contracts.world import GENESIS_HASH


@pytest.mark.parametrize("name", artifacts.CONTRACTS)
def test_artifacts_carry_what_deployment_needs(name):
    artifact = artifacts.load(name)
    assert artifact.name == name
    assert len(artifact.bytecode) < 24_576, "EIP-170 allows no longer code"
    assert len(artifact.runtime_bytecode_hash) == len(artifact.input_hash) == 32
    assert artifact.compiler.startswith("0.8.37+commit.")
    assert any(entry["type"] == "constructor" for entry in artifact.abi)


def test_the_deployed_consortium_is_the_compiled_one(world):
    code = bytes(world.web3.eth.get_code(world.consortium.address))
    for value in (GENESIS_HASH, bytes.fromhex(world.founder[2:])):  # the immutable values are zeros there
        assert code.count(value) >= 1
        code = code.replace(value, bytes(len(value)))
    assert hashlib.sha256(code).digest() == artifacts.load("Consortium").runtime_bytecode_hash


def test_an_unknown_or_damaged_artifact_says_so(tmp_path, monkeypatch):
    with pytest.raises(artifacts.ArtifactError, match="there is no contract 'Treasury'"):
        artifacts.load("Treasury")
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path)
    load = artifacts.load.__wrapped__
    with pytest.raises(artifacts.ArtifactError, match=r"python -m contracts\.build"):
        load("CaseLog")
    (tmp_path / "CaseLog.json").write_text('{"format": "counterfoil/artifact/9"}')
    with pytest.raises(
        artifacts.ArtifactError,
        match=r"not an artifact of the format counterfoil/artifact/1 .*python -m contracts\.build",
    ):
        load("CaseLog")


@pytest.mark.node
def test_the_sources_compile_to_the_artifacts_byte_for_byte():
    folder = Path(build.__file__).parent
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed; the contracts run without them")
    if not (folder / "node_modules").exists():
        done = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"npm ci failed, perhaps for lack of a network: {done.stderr.strip()[-200:]}")
    for name, content in build.compile_all().items():
        assert (artifacts.FOLDER / name).read_bytes() == content, f"run `python -m contracts.build` ({name})"
