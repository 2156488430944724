"""Tokens: their form, their roles, what nobody ever sees, and how they are compared."""

import ast
import hmac
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from crypto_nn.errors import ConfigError
from crypto_nn.server import tokens
from crypto_nn.server.tokens import Role, Tokens, hashed

READ, OLD, OPERATE = "r" * 32, "o" * 32, "p" * 32


def of(read: str | None = None, operate: str | None = None) -> Tokens:
    """Tokens from texts as they stand in the environment."""
    return Tokens.from_text(
        None if read is None else SecretStr(read), None if operate is None else SecretStr(operate)
    )


def test_each_token_has_its_role_and_a_name_of_its_own() -> None:
    known = of(f"{READ}, {OLD}", OPERATE)
    callers = [known.caller(token) for token in (READ, OLD, OPERATE)]
    assert [caller.role for caller in callers if caller] == [Role.READ, Role.READ, Role.OPERATE]
    assert len({caller.key for caller in callers if caller}) == 3


def test_a_token_that_is_taken_out_opens_nothing_any_more() -> None:
    assert of(f"{READ},{OLD}").caller(OLD) is not None
    assert of(READ).caller(OLD) is None


def test_a_hash_stands_for_its_token_and_is_none_itself() -> None:
    known = of(hashed(READ))
    caller = known.caller(READ)
    assert caller == of(READ).caller(READ)
    assert known.caller(hashed(READ)) is None


def test_none_are_in_force_where_none_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tokens.READ_TOKENS, raising=False)
    monkeypatch.setenv(tokens.OPERATE_TOKENS, " ")
    assert not Tokens.from_environment()
    assert Tokens().caller("") is None
    monkeypatch.setenv(tokens.OPERATE_TOKENS, OPERATE)
    assert Tokens.from_environment() == of(None, OPERATE)


@given(st.text(max_size=60))
def test_only_a_token_opens(presented: str) -> None:
    assert of(READ, OPERATE).caller(presented) is None or presented in (READ, OPERATE)


@pytest.mark.parametrize(
    "text",
    ["short", f"{READ},", f"{READ} {OLD}", "ä" * 32, "a/b" * 11, "sha256:12", "r" * 201, ","],
)
def test_what_is_no_token_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="CRYPTO_NN_READ_TOKENS: entry") as caught:
        of(text)
    assert not any(part in str(caught.value) for part in text.split(",") if len(part) > 3)


@pytest.mark.parametrize("texts", [(f"{READ},{READ}", None), (READ, READ), (READ, hashed(READ))])
def test_a_token_has_one_role(texts: tuple[str, str | None]) -> None:
    with pytest.raises(ConfigError, match="stands twice") as caught:
        of(*texts)
    assert READ not in str(caught.value)


def test_neither_tokens_nor_hashes_are_shown() -> None:
    shown = f"{of(READ, OPERATE)!r} {of(READ, OPERATE)}"
    assert shown == "Tokens(read=1, operate=1) Tokens(read=1, operate=1)"


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every digest in force is compared, whichever matches, and never by `==`."""
    compared = []
    constant = hmac.compare_digest

    def counted(known: bytes, digest: bytes) -> bool:
        compared.append(known)
        return constant(known, digest)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    known = of(f"{READ},{OLD}", OPERATE)
    for token in (READ, OLD, OPERATE, "nobody's"):
        compared.clear()
        known.caller(token)
        assert compared == [digest for digest, _ in known.digests]
    source = ast.parse(inspect.getsource(tokens))
    caller = next(
        node for node in ast.walk(source)
        if isinstance(node, ast.FunctionDef) and node.name == "caller"
    )  # fmt: skip
    assert not any(isinstance(node, ast.Compare) for node in ast.walk(caller))
