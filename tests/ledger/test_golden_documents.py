"""The bytes of every document format: what was written once is written, and read, the same for ever.

The documents themselves stand in `golden/`, where a person can read them; their hashes stand here, so that
nobody changes a format by changing a file. A test that fails here says that a format has changed: it needs a
new version and a reader for the old one, not a new hash.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from tests.support.golden import GOLDEN

FOLDER: Final = Path(__file__).parent / "golden"

SHA256: Final = {
    "flag": "7b3ed52268481f14d36798c6035d30c233bae4915440144f750bdd8c0fab6b6a",
    "finding": "83ab463f16967f95345b22a8837c40a286e86ca437d1fb3ef055d149bdc470b2",
    "flag view": "b7e9026b4250dd6b2c9ca2eabc81d64790a772d9422ce4d21b8eb2e44ea46b27",
    "case payload": "6291c42bf961887900d574dd77c9984a9a241af8b37da1120eaa238b6dda7e88",
    "decision": "28cd9c236e6d3e9120900a173692a8934938d952f65c779c7bd5fbebf26bd4f2",
    "note": "766030a1eb13df859ef599c5ebbdff2492af2e906f18002dff4b608b50cd0270",
    "note of deliveries": "b77e4453441d42d27c3bef0bb8ee155a4319aca89ec82bd5debe17e8bcf80d91",
    "batch header": "3493bb0fc0d521986d6202619ffc28c3cb9fe2121612b50957e38611585706dd",
    "packed batch header": "75350815fcc504aea0cb0356929fdc9ffaebaa99d14464465e60217a7e0afb59",
    "receipt": "1889ca982f89b08d95aa153f302764884b1cc02810ada930a682ab899a866f6d",
    "disclosure": "808e240ce82593399e24a2c760ed5e6ad6ce43d85499a1b0975dd536c58996e0",
    "draw": "11973a88cf64b85eba23f8593ef050ae76e4a29fd4eb9d045a9a07dc9619bb62",
    "opened draw": "d566976732d70e26b19ce84010a9430c0dbe58f4fb6f60bcfd30360f20441e22",
    "checkpoint": "b3f953c6005cb298bb74d6d013f400eb0aabc94426bbe7d5f8f4359f8e53afb2",
    "verifier key": "1d29297952a9e3245be3128dde9f7c1dc45f78aef4f8c584979c0f7080ea9d8a",
    "checkpoint policy": "3e492be01ce2344a822b4fdf7b4af46c23706db44749d7c73075a81fd4576a44",
    "log proof": "cc98280645b0f1b098773c9307e6f126170959121fad040d7e6ec88c01ef7788",
    "witness request": "631a81163a2be084c5be0a057fa61142a61ed07e0351215d572072bf269a404e",
    "head of the verdict log": "c75feca39d3e8e4fd3b0dec551853e385713ecc8648493ff6b83e961ad3fadac",
    "evidence": "edc281547c1cba19e00355b1a610636e208f18c990e6ea5b7108fe901877c413",
    "deployment": "f36b2685955db86a3e594b98e5fad1302494766962bb740d52eb619e57a12d2c",
    "trust file": "cf0d2b4a6a0ac661c509994cc04a0d4e852c424d7cb944f474df78c26066c215",
    "policy": "dca0c8cd7dbdcee2450c2962d5cf383d0f4ddb7eb83023d09422c6ee29919a24",
    "manifest": "b94e509040a7905b4377775f5761e3e0f3847baf9313b7799f88261ec46d812d",
    "member keys": "810754fd6299f3e0b210b57673e90534f1cf7f851a5ce3cb7ea1f689c51e3d3b",
    "encrypted member keys": "1f917e4a070615ba8cf23d97232b8b95affc78db9d147f8052dda4a50061db79",
    "member keys on a token": "d34f1c3108451124400b3b2ab9f7eb7e93dc965b48fd3567fbbc87a4f7e40dc3",
    "member keys 2": "ca36fab31d98e2324229e8f18a09e72be48aa94231d8c03f0641502d3ae9b46a",
    "desk keys": "40cee13a3894ea8f87b242400250fe31361c00a4e490e0b30a5cc4634db314fd",
    "desk keys 2": "348cb1e0e971a9fb04fd1ef06c7fec90bee224c8cff15836c6d318cd479f0da1",
    "key ceremony's contribution": "0f01a74bc2fd21bfa481a27a695e79b244b186c01f1b856de8fad4c3ef91d2a8",
    "key holder's keys": "fb213841835f9f0032c69fc5840544c99e01a39de4bf237dcf710d4a0f54a128",
    "key holder's share": "cc6ff96722af62882209e8ad94b5e06105a86fcc03c27e58c4f607bf72607615",
    "account": "b35af652c93e17e364cebbaf1269cc34693af1d7239958bbd12546109afb4af9",
    "request for admission": "b3f57ac68030c8cc2fe2aa4677645b2c3071d00a448ef5bcb76c3d5c1ced2312",
    "tokens": "93052e29f293c330afeeb48b5aab7778e7850bd7bffc83c38f8023621f47d249",
    "rule set": "6cce3309e40bd9ba377d212e61d4723c41fec409c5ced3586bfd943b7e430f46",
    "backtest": "120aa052defcf3a3fc9c2defe5f1a2fc6a9364f47c3807c46ae4d28c6d41c0a4",
    "register of models": "4e6808db0b3fdf9fce19cc4ef802533e3f4c5037d9d6c3eb9660a7c2a2f0d0f9",
    "model": "9eef7aa7c002d9668226fb3d3d64720ba37d1af4ecf0152652f9555237c9d558",
    "chain backup": "dd08a643dc80ec85185123edba8f49ca8ca52469968e643f6a677ba362c1c3d7",
    "chain genesis": "1e45813062bc3577a8a42cb126f119893a3a86307793024400b2755226a83d43",
}


def stored(kind: str) -> bytes:
    (path,) = FOLDER.glob(kind.replace("'", "").replace(" ", "-") + ".*")
    return path.read_bytes()


@pytest.mark.parametrize("kind", GOLDEN)
def test_a_document_is_written_with_the_same_bytes(kind: str, tmp_path: Path) -> None:
    written = GOLDEN[kind].write(tmp_path)
    assert written == stored(kind)
    assert sha256(written).hexdigest() == SHA256[kind]


@pytest.mark.parametrize("kind", [kind for kind, golden in GOLDEN.items() if golden.read])
def test_a_document_that_was_written_before_is_read(kind: str, tmp_path: Path) -> None:
    read = GOLDEN[kind].read
    assert read is not None
    assert read(stored(kind), tmp_path) is not None


def test_nothing_is_pinned_that_is_not_a_format() -> None:
    assert SHA256.keys() == GOLDEN.keys()
    assert len(list(FOLDER.iterdir())) == len(GOLDEN)
