"""L-4: a secret is stored as a reference only, and its value is masked before anything is stored."""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core import secret as secret_module
from durable_core.capture import CaptureOptions, Masker
from durable_core.errors import DefinitionError, InvalidStateError
from durable_core.failure import describe_exception
from durable_core.limits import LIMITS
from durable_core.masking import configured_keys
from durable_core.secret import Secret, remember_secret
from tests.capture.scopes import captured, messages

VALUE = "s3cr3t/v@lue+42"


@pytest.fixture(autouse=True)
def nothing_revealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins in a process where no secret was revealed."""
    monkeypatch.setattr(secret_module, "_known", ())
    monkeypatch.setattr(secret_module, "_remembered", frozenset())


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("PAYMENT_KEY", VALUE)
    return Secret.env("PAYMENT_KEY")


def test_only_the_name_is_ever_stored(secret: Secret) -> None:
    """L-4: the reference goes out and comes back; equality, copies and texts know the name alone."""
    assert secret.to_reference() == {"env": "PAYMENT_KEY"}
    assert Secret.from_reference(json.loads(json.dumps(secret.to_reference()))) == secret
    assert copy.deepcopy(secret) == secret
    assert hash(secret) == hash(Secret.env("PAYMENT_KEY"))
    secret.reveal()
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret:>20}", repr([secret]), str(secret.__getstate__())):
        assert VALUE not in shown
    assert (str(secret), repr(secret)) == ("***", "Secret.env('PAYMENT_KEY')")


def test_the_value_is_read_at_each_use(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-4: a rotated secret needs no restart; the old value stays masked."""
    assert secret.reveal() == VALUE
    monkeypatch.setenv("PAYMENT_KEY", "another-value")
    assert secret.reveal() == "another-value"
    assert Masker().mask(f"{VALUE} another-value") == "*** ***"


def test_a_missing_secret_names_the_variable() -> None:
    """The error says what to set where."""
    with pytest.raises(InvalidStateError, match="NOT_SET.*is not set on this worker.*Set NOT_SET"):
        Secret.env("NOT_SET").reveal()


@pytest.mark.parametrize("name", ["", "A=B", "A\0B", None, 3])
def test_a_wrong_name_is_refused(name: str) -> None:
    """What can be no variable is told at definition."""
    with pytest.raises(DefinitionError, match="name of an environment variable"):
        Secret.env(name)


@pytest.mark.parametrize("reference", [{}, {"env": 3}, {"env": "A", "x": 1}, [], None])
def test_a_wrong_reference_is_refused(reference: dict[str, str]) -> None:
    """Stored data that is no reference does not become a secret."""
    with pytest.raises(DefinitionError):
        Secret.from_reference(reference)


def test_a_revealed_value_is_in_no_line(secret: Secret) -> None:
    """L-4: printed, logged, as metadata, as JSON, percent-encoded, in a traceback: masked before the sink sees it."""

    def body() -> None:
        value = secret.reveal()
        print("the key is", value)
        print(json.dumps({"k": value + '"'}), urllib.parse.quote(value), repr(value))
        sys.stderr.write(value[:5])
        sys.stderr.write(value[5:] + "\n")
        logging.getLogger("pay").warning("sent %s", value, extra={"header": f"X {value}", "nested": [{"a": value}]})
        try:
            raise ValueError(f"refused: {value}")
        except ValueError:
            logging.getLogger("pay").exception("failed")

    lines = captured(body, passthrough=False)
    stored = json.dumps([line.as_record() for line in lines])
    assert VALUE not in stored
    assert urllib.parse.quote(VALUE) not in stored
    assert lines[0].message == "the key is ***"
    assert lines[2].message == "***"
    assert lines[3].metadata == {"header": "X ***", "nested": [{"a": "***"}]}


def test_a_secret_is_masked_before_the_line_is_cut(secret: Secret) -> None:
    """L-4: no half of a secret is left where a long line ends."""
    secret.reveal()
    for before in range(8192 - 60, 8192 + 5):
        (line,) = captured(lambda before=before: print("x" * before + VALUE + "y" * 50_000), passthrough=False)  # type: ignore[misc]
        assert VALUE[:4] not in line.message


def test_a_key_file_is_masked_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """L-4: a secret of several lines is printed as several lines."""
    monkeypatch.setenv("KEY", "-----BEGIN-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n")
    lines = captured(lambda: print(Secret.env("KEY").reveal()))
    assert messages(lines) == ["***"] * 4 + [""]


def test_a_short_secret_is_masked_as_a_word() -> None:
    """L-4: a PIN is masked where it stands alone, and does not blank every digit."""
    remember_secret("42")
    assert Masker().mask("pin 42, order 1423") == "pin ***, order 1423"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2 user=ana", "password=*** user=ana"),
        ("Password: hunter2", "Password: ***"),
        ("db_password = hunter2;", "db_password = ***;"),
        ('{"api_key": "abc\\u0020def", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("{'apiKey': 'abc'}", "{'apiKey': '***'}"),
        ("API-KEY=abc&x=1", "API-KEY=***&x=1"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer ***"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
        ("access_token=abc, refresh_token=def", "access_token=***, refresh_token=***"),
        ("token_for_ana: abc", "token_for_ana: ***"),
        ("client_secret='a b c' next", "client_secret='***' next"),
        ('{\\"passwd\\": \\"abc\\"}', '{\\"passwd\\": \\"***\\"}'),
        ("connect postgres://ana:hunter2@host/db", "connect postgres://ana:***@host/db"),
        ("password=", "password="),
        ("no secret here", "no secret here"),
        ("the token is valid", "the token is valid"),
        ("max_tokens: 512, total_tokens=17", "max_tokens: 512, total_tokens=17"),
        ("see https://example.org/a:b", "see https://example.org/a:b"),
    ],
)
def test_values_under_telling_keys_are_masked_in_texts(text: str, masked: str) -> None:
    """L-4: the forms in which settings, headers, JSON and URLs are printed."""
    assert Masker().mask(text) == masked
    assert Masker().mask(masked) == masked


def test_values_under_telling_keys_are_masked_in_data() -> None:
    """L-4: at any depth, whatever the value is; the rest stays the same."""
    tree = {
        "user": "ana",
        "Password": "x",
        "api-key": ["a", {"b": 1}],
        "nested": [{"auth": {"ACCESS_TOKEN": 17}}, ("apiKey", {"apiKey": "k"})],
        "max_tokens": 512,
        "token": None,
        "secret": Secret.env("A"),
        "other": Secret.env("A"),
        "url": "redis://:pw@host",
    }
    assert Masker().mask_value(tree) == {
        "user": "ana",
        "Password": "***",
        "api-key": "***",
        "nested": [{"auth": {"ACCESS_TOKEN": "***"}}, ("apiKey", {"apiKey": "***"})],
        "max_tokens": 512,
        "token": None,
        "secret": "***",
        "other": "***",
        "url": "redis://:***@host",
    }


def test_what_has_no_secret_is_the_same_object() -> None:
    """Masking copies nothing it does not change."""
    tree = {"a": [1, {"b": "c"}], "d": ("e", None, 2.5)}
    assert Masker().mask_value(tree) is tree


def test_the_keys_are_the_users_choice() -> None:
    """L-4: other keys, or none; case and `-`/`_` make no difference."""
    masker = Masker(["card number", "iban"])
    assert masker.mask("Card-Number: 4111 IBAN=DE00 password=x") == "Card-Number: *** IBAN=*** password=x"
    assert masker.mask_value({"card_number": 1, "password": 2}) == {"card_number": "***", "password": 2}
    assert Masker([]).mask("password=x") == "password=x"
    assert messages(captured(lambda: print("iban: DE00"), masker=masker)) == ["iban: ***"]
    with pytest.raises(DefinitionError, match="list of words"):
        Masker("password")
    assert CaptureOptions().masker.keys[0] == "password"


def test_errors_are_masked_before_they_are_recorded(secret: Secret) -> None:
    """L-4: message, traceback and attributes; also where the message is cut."""
    value = secret.reveal()
    error = ValueError(f"{value} was refused, password=hunter2")
    error.answer = {"token": "abcdef", "said": value}  # type: ignore[attr-defined]
    try:
        raise error
    except ValueError as caught:
        described = describe_exception(caught)
    assert described["message"] == "*** was refused, password=***"
    assert described["attributes"]["answer"] == {"token": "***", "said": "***"}
    assert value not in json.dumps(described) and "hunter2" not in described["traceback"]
    for before in range(LIMITS.error_message_bytes - 20, LIMITS.error_message_bytes + 1):
        assert value[:8] not in describe_exception(ValueError("x" * before + value))["message"]


@given(st.text(), st.text(min_size=4).filter(str.strip))
def test_no_text_hides_a_revealed_value(text: str, value: str) -> None:
    """L-4: wherever a value of four characters or more stands, it is gone after masking."""
    remember_secret(value)
    assert value not in Masker([]).mask(text + value + text) or value in "***"


@given(st.text(alphabet="password=:\"' \\tokn_secret/@.\n{}[]"))
def test_masking_twice_is_masking_once(text: str) -> None:
    """Lines that are masked at several floors stay readable."""
    once = Masker().mask(text)
    assert Masker().mask(once) == once


@pytest.mark.parametrize(
    "text", ["password" * 20_000, "a" * 200_000 + "token", "://" + "a" * 200_000, "token_" * 30_000 + "="]
)
def test_hostile_lines_are_masked_in_linear_time(text: str) -> None:
    """L-4: no line makes the masker hang."""
    begun = time.perf_counter()
    Masker().mask(text)
    assert time.perf_counter() - begun < 2.0


def test_more_keys_are_masked_where_the_environment_names_them() -> None:
    """L-4: in every process alike, those of isolated steps too."""
    masker = Masker(configured_keys({"DURABLE_MASK": "iban, Customer-Number"}))
    assert masker.mask("iban=DE02120300000000202051 customer_number: 17 password=x") == (
        "iban=*** customer_number: *** password=***"
    )
    assert masker.mask_value({"CustomerNumber": "a7", "name": "Ada"}) == {"CustomerNumber": "***", "name": "Ada"}
    assert Masker(configured_keys({})).keys == Masker().keys
