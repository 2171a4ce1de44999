"""Every setting of PRODUCT.md 7: its default, what it takes, and what is refused without being shown."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from handler.settings import Settings, SettingsError, load

MIB = 1024 * 1024
AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
NONSENSE = "n0nsense"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, so that no `.env` of this machine counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    def with_environment(**environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load()

    return with_environment


def plain(value: Any) -> Any:
    """A setting without its mask."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


DEFAULTS = {
    "auth_token": (),
    "auth_token_secret": None,
    "anthropic_api_key": None,
    "anthropic_api_key_secret": None,
    "claude_code_oauth_token": None,
    "claude_credentials_file": None,
    "claude_code_system_prompt": "You are Claude Code, Anthropic's official CLI for Claude.",
    "full_mode_betas": ("claude-code-20250219",),
    "upstream_base_url": "https://api.anthropic.com",
    "upstream_connect_timeout_seconds": 5,
    "upstream_first_byte_timeout_seconds": 300,
    "upstream_idle_timeout_seconds": 120,
    "request_bytes": 32 * MIB,
    "rate_limit_enabled": True,
    "rate_limit_per_minute": 60,
    "rate_limit_burst": 10,
    "rate_limit_table": None,
    "trusted_proxy_hops": 0,
    "model_aliases": {},
    "auto_prompt_cache": True,
    "default_max_tokens": None,
    "proxy_response_mode": "auto",
    "deadline_margin_seconds": 10,
    "log_level": "INFO",
    "host": "127.0.0.1",
    "port": 8000,
}


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_a_setting_has_its_default(loaded: Any, name: str, value: Any):
    assert plain(getattr(loaded(), name)) == value


def test_no_setting_is_missing_from_the_page():
    foreign = {name for name, field in Settings.model_fields.items() if field.exclude}
    assert set(Settings.model_fields) - foreign == set(DEFAULTS) - {"request_bytes"} | {"max_request_bytes"}


ACCEPTED: list[tuple[str, str, Any]] = [
    ("AUTH_TOKEN", "one", ("one",)),
    ("AUTH_TOKEN", "one,two", ("one", "two")),
    ("AUTH_TOKEN", " one , two ", ("one", "two")),
    ("ANTHROPIC_API_KEY", "sk-ant-api03-x", "sk-ant-api03-x"),
    ("ANTHROPIC_API_KEY", " ", None),
    ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x", "sk-ant-oat01-x"),
    ("CLAUDE_CODE_OAUTH_TOKEN", "", None),
    ("CLAUDE_CREDENTIALS_FILE", "credentials.json", Path("credentials.json")),
    ("CLAUDE_CREDENTIALS_FILE", "", None),
    ("CLAUDE_CODE_SYSTEM_PROMPT", "You are a pirate.", "You are a pirate."),
    ("CLAUDE_CODE_SYSTEM_PROMPT", "", ""),
    ("FULL_MODE_BETAS", "a-1, b-2", ("a-1", "b-2")),
    ("FULL_MODE_BETAS", "", ()),
    ("UPSTREAM_BASE_URL", "https://gateway.example/anthropic/", "https://gateway.example/anthropic"),
    ("UPSTREAM_BASE_URL", "https://gateway.example:8443", "https://gateway.example:8443"),
    ("UPSTREAM_BASE_URL", "http://localhost:9", "http://localhost:9"),
    ("UPSTREAM_BASE_URL", "http://127.0.0.1:9", "http://127.0.0.1:9"),
    ("UPSTREAM_BASE_URL", "http://[::1]:9", "http://[::1]:9"),
    ("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "0.5", 0.5),
    ("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "900", 900),
    ("UPSTREAM_IDLE_TIMEOUT_SECONDS", "1", 1),
    ("MAX_REQUEST_BYTES", "1000", 1000),
    ("RATE_LIMIT_ENABLED", "false", False),
    ("RATE_LIMIT_ENABLED", "0", False),
    ("RATE_LIMIT_PER_MINUTE", "1", 1),
    ("RATE_LIMIT_BURST", "0", 0),
    ("TRUSTED_PROXY_HOPS", "2", 2),
    ("MODEL_ALIASES", "gpt-4o=claude-a, b = claude-b,", {"gpt-4o": "claude-a", "b": "claude-b"}),
    ("MODEL_ALIASES", "", {}),
    ("AUTO_PROMPT_CACHE", "false", False),
    ("DEFAULT_MAX_TOKENS", "4096", 4096),
    ("PROXY_RESPONSE_MODE", "buffer", "buffer"),
    ("DEADLINE_MARGIN_SECONDS", "0", 0),
    ("LOG_LEVEL", "DEBUG", "DEBUG"),
    ("HOST", "::1", "::1"),
    ("PORT", "0", 0),
    ("PORT", "65535", 65535),
]


@pytest.mark.parametrize(("name", "text", "value"), ACCEPTED)
def test_a_setting_is_read_from_the_environment(loaded: Any, name: str, text: str, value: Any):
    assert plain(getattr(loaded(**{name: text}), name.lower())) == value


REFUSED = [
    ("AUTH_TOKEN", ""),
    ("AUTH_TOKEN", "  "),
    ("AUTH_TOKEN", f"{NONSENSE},"),
    ("AUTH_TOKEN", f"{NONSENSE}\nx"),
    ("FULL_MODE_BETAS", f"{NONSENSE}\r\nx: y"),
    ("ANTHROPIC_API_KEY", f"sk-ant-{NONSENSE}\nx"),
    ("ANTHROPIC_API_KEY", f"sk-ant-{NONSENSE}é"),
    ("ANTHROPIC_API_KEY", f"sk-ant-oat01-{NONSENSE}"),
    ("CLAUDE_CODE_OAUTH_TOKEN", f"sk-ant-oat01-{NONSENSE}\r\nx"),
    ("UPSTREAM_BASE_URL", ""),
    ("UPSTREAM_BASE_URL", NONSENSE),
    ("UPSTREAM_BASE_URL", f"http://{NONSENSE}.example"),
    ("UPSTREAM_BASE_URL", f"http://localhost.{NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"ftp://{NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"file:///{NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"https://user:{NONSENSE}@host.example"),
    ("UPSTREAM_BASE_URL", f"https://user@{NONSENSE}.example"),
    ("UPSTREAM_BASE_URL", f"https://:{NONSENSE}@host.example"),
    ("UPSTREAM_BASE_URL", f"https://host.example?{NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"https://host.example#{NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"https://[{NONSENSE}]"),
    ("UPSTREAM_BASE_URL", f"https://host.example:{NONSENSE}"),
    ("UPSTREAM_BASE_URL", "https://host.example:99999"),
    ("UPSTREAM_BASE_URL", f"https://a {NONSENSE}.example"),
    ("UPSTREAM_BASE_URL", f"https://host.example/a {NONSENSE}"),
    ("UPSTREAM_BASE_URL", f"https://host.example/{NONSENSE}é"),
    ("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "0"),
    ("UPSTREAM_CONNECT_TIMEOUT_SECONDS", NONSENSE),
    ("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "-1"),
    ("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "inf"),
    ("UPSTREAM_IDLE_TIMEOUT_SECONDS", "nan"),
    ("UPSTREAM_IDLE_TIMEOUT_SECONDS", ""),
    ("MAX_REQUEST_BYTES", "0"),
    ("MAX_REQUEST_BYTES", "32MB"),
    ("RATE_LIMIT_ENABLED", NONSENSE),
    ("RATE_LIMIT_ENABLED", ""),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("RATE_LIMIT_PER_MINUTE", "1.5"),
    ("RATE_LIMIT_BURST", "-1"),
    ("TRUSTED_PROXY_HOPS", "-1"),
    ("TRUSTED_PROXY_HOPS", "all"),
    ("MODEL_ALIASES", NONSENSE),
    ("MODEL_ALIASES", f"={NONSENSE}"),
    ("MODEL_ALIASES", f"a=b,{NONSENSE}="),
    ("AUTO_PROMPT_CACHE", NONSENSE),
    ("DEFAULT_MAX_TOKENS", "0"),
    ("DEFAULT_MAX_TOKENS", NONSENSE),
    ("PROXY_RESPONSE_MODE", NONSENSE),
    ("DEADLINE_MARGIN_SECONDS", "-1"),
    ("LOG_LEVEL", NONSENSE),
    ("HOST", ""),
    ("PORT", NONSENSE),
    ("PORT", "65536"),
    ("PORT", "-1"),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_la4_nonsense_is_refused_by_the_name_of_its_variable_and_not_shown(loaded: Any, name: str, text: str):
    with pytest.raises(SettingsError, match=name) as refusal:
        loaded(**{name: text})
    assert NONSENSE not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_all_that_is_wrong_is_named_at_once(loaded: Any):
    with pytest.raises(SettingsError) as refusal:
        loaded(PORT=NONSENSE, LOG_LEVEL=NONSENSE)
    assert {line.partition(":")[0] for line in str(refusal.value).splitlines()} == {"PORT", "LOG_LEVEL"}


CONTRADICTIONS: list[tuple[str, dict[str, str]]] = [
    ("AUTH_TOKEN_SECRET", {"AUTH_TOKEN": NONSENSE, "AUTH_TOKEN_SECRET": "name", **AWS}),
    ("ANTHROPIC_API_KEY_SECRET", {"ANTHROPIC_API_KEY": NONSENSE, "ANTHROPIC_API_KEY_SECRET": "name", **AWS}),
    ("CLAUDE_CREDENTIALS_FILE", {"CLAUDE_CODE_OAUTH_TOKEN": NONSENSE, "CLAUDE_CREDENTIALS_FILE": "file"}),
    ("AUTH_TOKEN", {"HOST": "0.0.0.0", "ANTHROPIC_API_KEY": NONSENSE}),
    ("AUTH_TOKEN", {"HOST": "::", "ANTHROPIC_API_KEY": NONSENSE}),
    ("AUTH_TOKEN", {"HOST": "192.0.2.1", "ANTHROPIC_API_KEY_SECRET": NONSENSE, **AWS}),
    ("AUTH_TOKEN", {"HOST": "proxy.example", "ANTHROPIC_API_KEY": NONSENSE}),
    ("CLAUDE_CODE_OAUTH_TOKEN", {"HOST": "0.0.0.0", "CLAUDE_CODE_OAUTH_TOKEN": NONSENSE, "AUTH_TOKEN": "t"}),
    ("CLAUDE_CREDENTIALS_FILE", {"AWS_LAMBDA_FUNCTION_NAME": "f", "CLAUDE_CREDENTIALS_FILE": NONSENSE}),
]


@pytest.mark.parametrize(("name", "environment"), CONTRADICTIONS)
def test_if11_settings_that_contradict_each_other_are_refused(loaded: Any, name: str, environment: dict[str, str]):
    with pytest.raises(SettingsError, match=name) as refusal:
        loaded(**environment)
    assert NONSENSE not in str(refusal.value)


REACHABLE: list[dict[str, str]] = [
    {"HOST": "0.0.0.0"},
    {"HOST": "0.0.0.0", "ANTHROPIC_API_KEY": "k", "AUTH_TOKEN": "t"},
    {"HOST": "0.0.0.0", "ANTHROPIC_API_KEY": "k", "AUTH_TOKEN_SECRET": "name", **AWS},
    {"HOST": "localhost", "ANTHROPIC_API_KEY": "k"},
    {"AWS_LAMBDA_FUNCTION_NAME": "f", "ANTHROPIC_API_KEY": "k"},
]


@pytest.mark.parametrize("environment", REACHABLE)
def test_if11_another_address_is_fine_where_no_credential_stands_open(loaded: Any, environment: dict[str, str]):
    assert loaded(**environment)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(loaded: Any, host: str, loopback: bool):
    assert loaded(HOST=host).loopback is loopback


def test_on_lambda_nothing_is_loopback_and_bodies_are_smaller(loaded: Any):
    settings = loaded(AWS_LAMBDA_FUNCTION_NAME="f")
    assert (settings.on_lambda, settings.loopback) == (True, False)
    assert settings.request_bytes < 6_000_000


def test_a_dotenv_file_is_read_and_the_environment_stands_before_it(loaded: Any, directory: Path):
    (directory / ".env").write_text("# mine\nPORT=9000\nANTHROPIC_API_KEY='sk-ant-api03-x'\nLOG_LEVEL=DEBUG\nOTHER=1\n")

    settings = loaded(LOG_LEVEL="ERROR")

    assert (settings.port, settings.log_level) == (9000, "ERROR")
    assert plain(settings.anthropic_api_key) == "sk-ant-api03-x"


def test_a_dotenv_file_counts_only_where_one_starts(loaded: Any, directory: Path, monkeypatch: pytest.MonkeyPatch):
    (directory / ".env").write_text("PORT=9000")
    (directory / "below").mkdir()
    monkeypatch.chdir(directory / "below")

    assert loaded().port == 8000


def test_on_lambda_no_dotenv_file_is_read(loaded: Any, directory: Path):
    (directory / ".env").write_text("PORT=9000")
    assert loaded(AWS_LAMBDA_FUNCTION_NAME="f").port == 8000


def test_nonsense_in_a_dotenv_file_is_refused_alike(loaded: Any, directory: Path):
    (directory / ".env").write_text(f"PORT={NONSENSE}")
    with pytest.raises(SettingsError, match="PORT") as refusal:
        loaded()
    assert NONSENSE not in str(refusal.value)


def test_a_dotenv_file_that_is_no_text_is_refused_readably(loaded: Any, directory: Path):
    (directory / ".env").write_bytes(b"ANTHROPIC_API_KEY=sk-ant-\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env"):
        loaded()


@pytest.mark.parametrize(
    "line", ['AUTH_TOKEN="not closed', "AUTH_TOKEN: colon", 'AUTH_TOKEN="a"b', "AUTH_TOKEN", "export AUTH_TOKEN"]
)
def test_a_line_of_a_dotenv_file_that_says_nothing_is_refused_and_not_passed_over(
    loaded: Any, directory: Path, line: str
):
    """The gate would stand open."""
    (directory / ".env").write_text(f"# mine\nPORT=9000\n{line}\nLOG_LEVEL=INFO\n")
    with pytest.raises(SettingsError, match=r"\.env, line 3") as refusal:
        loaded()
    assert "AUTH_TOKEN" not in str(refusal.value)


def test_a_file_may_be_named_from_home(loaded: Any, directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(directory))
    settings = loaded(CLAUDE_CREDENTIALS_FILE="~/.claude/.credentials.json")
    assert settings.claude_credentials_file == directory / ".claude/.credentials.json"


def test_settings_do_not_change(loaded: Any):
    settings = loaded()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
