from __future__ import annotations

import random
from datetime import timedelta

import pytest

from swarmlet.errors import InvalidError, UnauthorizedError
from swarmlet.identity import tokens
from swarmlet.identity.tokens import JoinToken
from swarmlet.model import kinds, objects
from tests.identity.times import NOW

SECRET = tokens.new_secret(random.Random(1).randbytes)


def join_token() -> JoinToken:
    return JoinToken(tokens.authority_hash(bytes(range(32))), tokens.new_token_id(), tokens.new_secret())


def stored(ttl: timedelta | None = timedelta(hours=1), usage: str = tokens.JOIN):
    return tokens.stored(token_id="abcdefgh", secret=SECRET, usage=usage, now=NOW, ttl=ttl)


def test_a_join_token_is_read_as_it_was_written() -> None:
    token = join_token()
    assert JoinToken.parse(f"  {token}\n") == token


def test_a_join_token_is_one_word_for_a_double_click() -> None:
    assert str(join_token()).replace("_", "").isalnum()
    assert len(str(join_token())) == 84


@pytest.mark.parametrize(
    "text",
    ["", "swarmlet_join_1_abc", f"{join_token()}"[:-1], f"{join_token()}a", "SWMTKN-1"],
    ids=["empty", "short", "one digit less", "one digit more", "foreign"],
)
def test_what_is_no_join_token_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        JoinToken.parse(text)
    assert not text or text not in str(caught.value)


def test_a_join_token_trusts_its_ca_alone() -> None:
    assert join_token().trusts(bytes(range(32)))
    assert not join_token().trusts(bytes(32))


def test_the_repr_of_a_join_token_hides_its_secret() -> None:
    token = join_token()
    assert token.secret not in repr(token)


def test_secrets_differ_and_hold_at_least_128_bits() -> None:
    assert tokens.new_secret() != tokens.new_secret()
    assert len(tokens.new_secret()) * 5 >= 128


def test_the_cluster_keeps_no_secret() -> None:
    assert SECRET.encode() not in objects.to_json(stored())


def test_a_stored_token_survives_the_store() -> None:
    assert objects.from_json(kinds.TOKEN, objects.to_json(stored())) == stored()


def test_a_good_token_passes() -> None:
    assert tokens.check(stored(), usage=tokens.JOIN, secret=SECRET, now=NOW) == stored()


def test_an_expired_token_says_when_it_expired() -> None:
    with pytest.raises(UnauthorizedError, match=f"expired at {NOW + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"):
        tokens.check(stored(), usage=tokens.JOIN, secret=SECRET, now=NOW + timedelta(hours=1))


def test_a_token_without_expiry_stays_good() -> None:
    tokens.check(stored(ttl=None), usage=tokens.JOIN, secret=SECRET, now=NOW + timedelta(days=10_000))


def test_a_wrong_secret_an_unknown_token_and_another_usage_read_the_same() -> None:
    said = set()
    for token, secret in ((stored(), "wrong"), (None, SECRET), (None, ""), (stored(usage=tokens.API), SECRET)):
        with pytest.raises(UnauthorizedError) as caught:
            tokens.check(token, usage=tokens.JOIN, secret=secret, now=NOW)
        said.add(str(caught.value))
    assert len(said) == 1


def test_an_api_token_is_read_as_it_was_written() -> None:
    assert tokens.parse_api_token(tokens.write_api_token("abcdefgh", SECRET)) == ("abcdefgh", SECRET)
