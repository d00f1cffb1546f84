"""Words of prompts, and searches by them: the same in Redis and in each database.

A text is folded once, here: databases see words of letters and digits with a space between them,
and never what somebody typed.
"""

import re
from functools import lru_cache
from unicodedata import category, combining, normalize

from jobs import kept_inputs
from jobs.domain.job import Job

TEXT_MAX_CHARS = 8192
WORD_MAX_CHARS = 64  # an index of PostgreSQL refuses words of 2,700 bytes
_CACHED = 0x3000  # code points
_FIRST_SYMBOL = 0x2600  # of those that are pictures: emoji
# Of another rule the words of rows are others: the sweep folds them once more.
FOLDING = 2
# Scripts that put no space between words, or write several words as one, and pictures: each
# character is a word, so that a part of what stands together is found as well.
_ALONE = re.compile(
    "(["
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3040-\u31ff\ua000-\ua4cf"  # marks of repetition, kana, Bopomofo, Yi
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u2600-\u27bf\U0001f000-\U0001faff"  # pictures
    "])"
)
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # as a picture, or as a letter
_QUOTED = re.compile('["“”„]([^"“”„]*)["“”„]?')


class _Letters(dict[int, str]):
    """Stand-in for a character: itself in a word, nothing for an accent, else a space."""

    def __missing__(self, code: int) -> str:
        character, kind = chr(code), category(chr(code))
        is_symbol = kind == "So" and code >= _FIRST_SYMBOL
        found = character if kind[0] in "LNM" or is_symbol else " "
        found = "" if combining(character) else found
        if code < _CACHED:
            self[code] = found
        return found


_LETTERS = _Letters()


def of_job(job: Job) -> str:
    """The words of the caller's prompt and BFL's, folded."""
    rewritten = job.result.get("prompt")
    texts = dict.fromkeys(
        (kept_inputs.prompt(job), rewritten if isinstance(rewritten, str) else "")
    )
    return fold("\n".join(filter(None, texts))[:TEXT_MAX_CHARS])


def fold(text: str) -> str:
    """Words without case and accents, with one space between them."""
    spaced = _ALONE.sub(r" \1 ", _without_accents(text))
    return " ".join(word[:WORD_MAX_CHARS] for word in spaced.split())


def _without_accents(text: str) -> str:
    decomposed = normalize("NFKD", _VARIANTS.sub("", text))
    return normalize("NFC", normalize("NFKD", decomposed.upper().casefold()).translate(_LETTERS))


@lru_cache(maxsize=64)  # of one list it is asked for each job
def phrases(query: str) -> tuple[str, ...]:
    """All that a text must have, folded: words, and quoted ones in a row. Any query is valid."""
    quoted = (fold(found[1]) for found in _QUOTED.finditer(query))
    words = map(fold, _without_accents(_QUOTED.sub(" ", query)).split())
    return tuple(dict.fromkeys(filter(None, (*quoted, *words))))


def matches(job: Job, query: str) -> bool:
    """Whether all words and phrases are in a job's prompts."""
    text = f" {of_job(job)} "
    return all(f" {phrase} " in text for phrase in phrases(query))
