"""Mutants of how requests are read: JSON, sizes, framing."""

from tests.mutants.mutant import Mutant

_JSON, _BODY, _HEARING = "jobs/strict_json.py", "receiver/body.py", "receiver/hearing.py"
_LENIENT = "tests/test_hostile_reports.py::test_what_is_lenient_in_python_is_refused"
_FRAMING_TESTS = "tests/bad_input/test_framing.py"

MUTANTS = (
    Mutant("json-nan", _JSON, "parse_constant=_refuse, ", "", (_LENIENT,)),
    Mutant("json-infinity", _JSON, "parse_float=_finite, ", "", (_LENIENT,)),
    Mutant("json-duplicates", _JSON, ", object_pairs_hook=_unique", "", (_LENIENT,)),
    Mutant(
        "json-utf8",
        _JSON,
        'body.decode("utf-8")',
        "body.decode(json.detect_encoding(body))",
        (_LENIENT,),
    ),
    Mutant("json-latin1", _JSON, 'body.decode("utf-8")', 'body.decode("latin-1")', (_LENIENT,)),
    Mutant("json-surrogates", _JSON, "if _SURROGATE.search(text):", "if False:", (_LENIENT,)),
    Mutant(
        "json-depth",
        _JSON,
        "    if not _is_shallow(value, DEPTH_MAX):\n",
        "    if False:\n",
        ("tests/bad_input/test_deep_bodies.py::test_a_nested_report_is_refused_or_stays_readable",),
    ),
    Mutant(
        "json-recursion",
        _JSON,
        "    except (ValueError, RecursionError):\n        raise BadReport(",
        "    except ValueError:\n        raise BadReport(",
        (_LENIENT,),
    ),
    Mutant(
        "task-id-prefix",
        "jobs/bfl.py",
        "not TASK_ID.fullmatch(found)",
        "not TASK_ID.match(found)",
        ("tests/test_bfl_dialect.py::test_an_id_that_is_not_plain_is_refused",),
    ),
    Mutant(
        "64-kib",
        _HEARING,
        "BODY_MAX_BYTES = 64 * 1024\n",
        "BODY_MAX_BYTES = 128 * 1024\n",
        (
            f"{_FRAMING_TESTS}::test_a_body_that_is_too_large_is_refused",
            f"{_FRAMING_TESTS}::test_a_chunked_body_that_is_too_large_is_refused",
        ),
    ),
    Mutant(
        "length-believed",
        _BODY,
        "    if length is not None and length > max_bytes:\n",
        "    if False:\n",
        (f"{_FRAMING_TESTS}::test_a_length_that_is_too_large_is_refused_before_any_of_it_comes",),
    ),
    Mutant(
        "chunked-cap",
        _BODY,
        "    if len(body) > max_bytes:\n",
        "    if False:\n",
        (f"{_FRAMING_TESTS}::test_a_chunked_body_that_is_too_large_is_refused",),
    ),
    Mutant(
        "chunked-without-end",
        _BODY,
        "get_input_stream(environ, max_content_length=max_bytes)",
        "get_input_stream(environ)",
        (f"{_FRAMING_TESTS}::test_an_upload_without_end_is_refused_while_it_still_comes",),
    ),
    Mutant(
        "short-body",
        _BODY,
        "    if length is not None and len(body) != length:\n",
        "    if False:\n",
        (f"{_FRAMING_TESTS}::test_a_body_cut_where_it_is_still_json_is_refused",),
    ),
    Mutant(
        "bad-chunk",
        _BODY,
        "    except (OSError, ValueError, ParseException, WerkzeugBadRequest):\n",
        "    except ValueError:\n",
        (f"{_FRAMING_TESTS}::test_a_chunk_that_is_malformed_is_refused",),
    ),
)
