"""DATABASE_URL: the path of an SQLite file, or the URL of a PostgreSQL server as libpq reads it.

libpq tells what is wrong with a URL only when it connects, and quotes it.
"""

import re
from urllib.parse import parse_qsl

_FORMS = "must be sqlite:/// and a path, or begin with postgres:// or postgresql://"
_SQLITE = re.compile(r"sqlite:///[^?#]+")
_SERVER = re.compile(r"postgres(?:ql)?://(.*)", re.DOTALL)
_DRIVER = re.compile(r"(postgres|postgresql|sqlite)\+[a-z0-9_]+:")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_LONELY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]*)(?::([0-9]*))?")
_NAME_OF_OPTION = re.compile(r"[A-Za-z_]{1,40}")
PORT_MAX = 65535

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Of libpq 18: https://www.postgresql.org/docs/current/libpq-connect.html
OPTIONS = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_issuer",
        "oauth_scope",
        "options",
        "passfile",
        "password",
        "port",
        "replication",
        "require_auth",
        "requirepeer",
        "scram_client_key",
        "scram_server_key",
        "service",
        "ssl",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslkeylogfile",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)
_REPLACED = {
    "pgbouncer": "it works behind PgBouncer as it is",
    "schema": "write options=-csearch_path%3D and the name of the schema",
    "connection_limit": "each web process has 3 connections at most, sweep has 1",
    "pool_timeout": "a request waits up to 2 s for a connection",
    "sslaccept": "write sslmode=require or sslmode=verify-full",
}


def require_valid(url: str) -> bool:
    """Raises ValueError with a message that quotes nothing that could be a secret."""
    if _DRIVER.match(url):
        raise ValueError("names a driver of SQLAlchemy behind a +: remove both")
    if _SQLITE.fullmatch(url):
        return True
    server = _SERVER.fullmatch(url)
    if not server:
        raise ValueError(_FORMS)
    _require_server(server[1])
    return True


def _require_server(text: str) -> None:
    """`text` is a URL without its scheme."""
    if not text:
        raise ValueError("names no server, and no database")
    if _SPACE.search(text):
        raise ValueError("holds a space, a line break or a control character")
    # As libpq does: a user ends at the first @, unless a / comes before it.
    user_end = re.search("[@/]", text)
    address = text
    if user_end and user_end[0] == "@":
        address = text[user_end.end() :]
        _require_escaped(text[: user_end.start()])
    elif "@" in text.partition("?")[0]:
        raise ValueError("has a / in its user or password: write it as %2F")
    location, _, query = address.partition("?")
    hosts, _, database = location.partition("/")
    if "@" in location:
        raise ValueError("has an @ in its user or password: write it as %40")
    _require_escaped(database)
    for host in hosts.split(","):
        _require_host(host)
    _require_options(query)


def _require_escaped(text: str) -> None:
    if _LONELY_PERCENT.search(text):
        raise ValueError("has a % that begins no escaped character: write it as %25")


def _require_host(text: str) -> None:
    if text.count(":") > 1 and not text.startswith("["):
        raise ValueError(
            "has more than one : in its host: an IPv6 address stands in [brackets], "
            "and a password ends with an @"
        )
    form = _HOST_AND_PORT.fullmatch(text)
    if not form:
        raise ValueError(
            "has a host or port that cannot be read: write / and ? in a password as %2F and %3F"
        )
    if form[2] and not _is_port(form[2]):
        raise ValueError(f"must have a port from 1 to {PORT_MAX}")


def _is_port(digits: str) -> bool:
    """Only the first digits are read: Python refuses numbers of thousands of digits."""
    port = int(digits[:6])
    return port > 0 and port <= PORT_MAX


def _require_options(query: str) -> None:
    for part in query.split("&"):
        if not part:
            continue
        name, has_value, value = part.partition("=")
        if name not in OPTIONS:
            raise ValueError(_unknown_option(name, query))
        if not has_value:
            raise ValueError(f"has the option {name} without a value")
        _require_escaped(value)
        if name == "sslmode" and value not in SSL_MODES:
            raise ValueError(f"has an unknown sslmode: it is one of {', '.join(SSL_MODES)}")
    options = dict(parse_qsl(query))
    if options.get("ssl", "true") != "true":
        raise ValueError("has the option ssl, which can only be true: write sslmode")


def _unknown_option(name: str, query: str) -> str:
    """The message about an unknown option, which may be a part of a password with a `?` in it."""
    if "@" in query or not _NAME_OF_OPTION.fullmatch(name):
        return "has an unknown option behind a ?: one in a password is written as %3F"
    replacement = _REPLACED.get(name.lower())
    hint = f"; {replacement}" if replacement else ""
    return f"has the option {name}, which PostgreSQL does not know: remove it{hint}"
