"""The published vectors of RFC 9497, for ristretto255-SHA512 in VOPRF mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

__all__ = ["RFC_9497", "VECTORS", "suites"]

VECTORS = Path(__file__).resolve().parents[2] / "../shared/vectors"

# RFC 9497, appendix A.1.2: ristretto255-SHA512, VOPRF mode; test vectors 1 and 3 (a batch of two).
RFC_9497: dict[str, Any] = {
    "seed": "a3" * 32,
    "keyInfo": "74657374206b6579",
    "skSm": "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909",
    "pkSm": "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e",
    "vectors": [
        {
            "Input": "00",
            "Blind": "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
            "BlindedElement": "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "EvaluationElement": "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "Proof": {
                "proof": "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
                "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
                "r": "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
            },
            "Output": "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
            "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
        },
        {
            "Input": "00,5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
            "Blind": "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706,"
            "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
            "BlindedElement": "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945,"
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
            "EvaluationElement": "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e,"
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
            "Proof": {
                "proof": "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
                "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
                "r": "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
            },
            "Output": "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
            "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c,"
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
            "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        },
    ],
}


def suites() -> list[Any]:
    """Return the vectors in the RFC's text, and the whole set where it is beside this checkout."""
    published = [pytest.param(RFC_9497, id="appendix A.1.2")]
    file = VECTORS / "rfc9497_allVectors.json"
    if not file.is_file():
        reason = "the shared RFC 9497 vectors are not beside this checkout"
        return [*published, pytest.param(None, marks=pytest.mark.skip(reason=reason), id="shared")]
    whole = [
        suite
        for suite in json.loads(file.read_text())
        if suite["identifier"] == "ristretto255-SHA512" and suite["mode"] == 1
    ]
    assert len(whole) == 1
    assert len(whole[0]["vectors"]) == 3
    return [*published, pytest.param(whole[0], id="shared")]
