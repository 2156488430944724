"""Nothing is made that nobody looks at."""

import pytest

from crypto_nn.definitions import defs

GRAPH = defs().resolve_asset_graph()
CHECKS = {
    key: sorted(check.name for check in GRAPH.asset_check_keys if check.asset_key == key)
    for key in GRAPH.get_all_asset_keys()
}


@pytest.mark.parametrize("asset", sorted(key.to_user_string() for key in CHECKS))
def test_every_asset_has_a_check(asset: str) -> None:
    """At least one claim about it is judged whenever it is made, or once a day."""
    assert next(checks for key, checks in CHECKS.items() if key.to_user_string() == asset)


def test_a_check_is_a_claim_and_says_so_once() -> None:
    """Names are sentences, and no two assets make the same claim in the same words."""
    names = [name for checks in CHECKS.values() for name in checks]
    assert len(set(names)) == len(names)
    assert all("_" in name and name.islower() for name in names)
