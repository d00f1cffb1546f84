"""Errors of PostgreSQL: what they mean for a connection, a row or a query.

Their own texts hold hosts, users and values: none of them is passed on.
"""

import re

from jobs.archive.database import (
    BadRow,
    ConnectionLost,
    ForeignText,
    QueryRefused,
    QueryTooLong,
    TooManyConnections,
    WritesRefused,
)
from jobs.domain.errors import ArchiveUnavailable

# SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_QUERY_CANCELED = "57014"
_DISK_FULL = "53100"
_INSUFFICIENT_PRIVILEGE = "42501"
_READ_ONLY = "25006"
_TOO_MANY_CONNECTIONS = "53300"
_LOCK_CONFLICTS = {"40001", "40P01", "55P03"}
_FOREIGN_TEXT = {"22021", "22P05"}
# The tables are not those that the connection has seen: a backup is being restored.
_OTHER_TABLES = {"42P01", "42703", "3F000"}
# A row: data exceptions, violated constraints, limits of the server, memory of one statement.
_ABOUT_ROWS = ("22", "23", "54", "53200")
# A query: as a row, features that the server has not, syntax, and internal errors.
_ABOUT_QUERIES = (*_ABOUT_ROWS, "0A", "42", "XX")
_NO_WRITES = {
    _DISK_FULL: "its disk is full",
    _READ_ONLY: "it may only be read: it is a replica, or default_transaction_read_only is on",
    _INSUFFICIENT_PRIVILEGE: "its role may not write to the tables",
}
_NO_TABLES = {
    **_NO_WRITES,
    _INSUFFICIENT_PRIVILEGE: "its role may not make tables: GRANT CREATE ON SCHEMA",
    "3F000": "search_path names no schema that exists",
}

# libpq and the server tell why a connection failed by a text alone, without a code.
_TOO_MANY_FORM = re.compile(
    r"too many (?:clients|connections)|remaining connection slots|no more connections allowed"
    r"|max_client_conn|query_wait_timeout|MaxClientsInSessionMode",
    re.IGNORECASE,
)
_WRONG_PASSWORD = "it refuses the password, or does not know the role"  # noqa: S105 - a sentence
_NO_TLS_HERE = "it takes only connections with TLS: sslmode=require"
_WRONG_CERTIFICATE = "its certificate is not the one that sslmode and sslrootcert ask for"
_FORMS = {
    r"no password supplied|empty password": "it asks for a password, and there is none",
    r"password authentication failed|SASL authentication failed": _WRONG_PASSWORD,
    r'role ".*" does not exist|no such user|Tenant or user not found': "it does not know the role",
    r"is not permitted to log in": "the role has no LOGIN",
    r'database ".*" does not exist|no such database': "it has no database of this name",
    r"not currently accepting connections": "the database of this name takes no connections",
    r"permission denied for database": "the role may not CONNECT to the database",
    r"does not support SSL": "it has no TLS, and sslmode asks for it",
    r"no encryption|SSL off|SSL is required|SSL required|connection is insecure": _NO_TLS_HERE,
    r"no pg_hba\.conf entry": "pg_hba.conf allows no connection of this role from here",
    r"root certificate file": "the file of sslrootcert cannot be read",
    r"certificate verify failed|server certificate for": _WRONG_CERTIFICATE,
    r"private key file|certificate file": "the file of sslcert or sslkey cannot be read",
    r"SSL error|SSL SYSCALL|SSL negotiation": "TLS failed",
    r"channel binding": "it has no channel binding, and channel_binding asks for it",
    r"authentication method": "it has no authentication as require_auth asks",
    r"unrecognized configuration parameter|unsupported startup parameter": (
        "it refuses a parameter in `options`"
    ),
    r"hot standby mode|session is (?:not )?read-only": "target_session_attrs asks for another",
    r"failed to resolve host|could not translate host name": "its host has no address",
    r"No such file or directory": "there is no server at the socket",
    r"invalid .* value|bad value for|invalid port|invalid URI": (
        "an option of DATABASE_URL has a wrong value"
    ),
    r"definition of service": "the option service names no service that is defined",
    r"Connection refused": "nothing listens at its host and port",
    r"starting up|shutting down|in recovery": "it starts or stops",
    r"timeout expired|timed out": "it does not answer in time",
}


def meaning_while_connecting(error: Exception) -> Exception:
    """The meaning of an error while a connection or its tables were made."""
    sqlstate = _sqlstate(error)
    if sqlstate in _NO_TABLES:
        return ConnectionLost(_NO_TABLES[sqlstate])
    if sqlstate == _TOO_MANY_CONNECTIONS or _TOO_MANY_FORM.search(str(error)):
        return TooManyConnections()
    if not sqlstate:
        for form, reason in _FORMS.items():
            if re.search(form, str(error), re.IGNORECASE):
                return ConnectionLost(reason)
    return ConnectionLost(_name(error))


def meaning_in_transaction(error: Exception, *, is_closed: bool, writes: bool) -> Exception:
    """The meaning of an error in a transaction; `is_closed`: the connection is closed by it."""
    sqlstate = _sqlstate(error)
    if is_closed or sqlstate in _OTHER_TABLES:
        return ConnectionLost(_name(error))
    if sqlstate == _QUERY_CANCELED:
        return QueryTooLong()
    if sqlstate in _LOCK_CONFLICTS:
        return ArchiveUnavailable("database: a query met the lock of another")
    if sqlstate == _DISK_FULL and not writes:
        return ArchiveUnavailable("database: its disk is full, and a query needs some of it")
    if writes:
        return _meaning_of_write(error, sqlstate)
    return _meaning_of_read(error, sqlstate)


def _meaning_of_write(error: Exception, sqlstate: str) -> Exception:
    if sqlstate in _NO_WRITES:
        return WritesRefused(_NO_WRITES[sqlstate])
    if sqlstate.startswith(_ABOUT_ROWS) or _is_refused_by_client(error, sqlstate):
        return BadRow(_name(error))
    return ConnectionLost(_name(error))


def _meaning_of_read(error: Exception, sqlstate: str) -> Exception:
    if isinstance(error, UnicodeError) or sqlstate in _FOREIGN_TEXT:
        return ForeignText(_name(error))
    if sqlstate == _INSUFFICIENT_PRIVILEGE:
        return ConnectionLost("its role may not read the tables")
    if sqlstate.startswith(_ABOUT_QUERIES) or _is_refused_by_client(error, sqlstate):
        return QueryRefused(_name(error))
    return ConnectionLost(_name(error))


def _is_refused_by_client(error: Exception, sqlstate: str) -> bool:
    """Whether Python or psycopg refused a parameter, so that nothing was sent."""
    if isinstance(error, UnicodeError | OverflowError):
        return True
    kinds = {parent.__name__ for parent in type(error).__mro__}
    return not sqlstate and not kinds.isdisjoint({"DataError", "ProgrammingError"})


def _sqlstate(error: Exception) -> str:
    """The code of an error; empty if it has none."""
    return getattr(error, "sqlstate", None) or ""


def _name(error: Exception) -> str:
    """The name of an error, without its message, which may hold a host or a value."""
    return type(error).__name__
