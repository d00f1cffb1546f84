"""Words of prompts, and searches by them: Redis and each database fold and match them alike.

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
_CACHED_BELOW = 0x3000  # code points whose stand-in is remembered
_FIRST_SYMBOL = 0x2600  # the first code point of symbols that are pictures, as emoji are
# The version of the folding: the sweep folds the words of rows of another version once more.
FOLDING = 2
# Characters that are words of their own: pictures, and letters of scripts that put no space between
# words or write several words as one. So a search finds a part of a row of them as well.
_SINGLE_CHARACTER_WORD = re.compile(
    "(["
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3040-\u31ff\ua000-\ua4cf"  # marks of repetition, kana, Bopomofo, Yi
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u2600-\u27bf\U0001f000-\U0001faff"  # pictures
    "])"
)
# Selectors that follow a character: to be shown as a picture, or as a variant of a letter.
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_QUOTED = re.compile('["“”„]([^"“”„]*)["“”„]?')


class _Letters(dict[int, str]):
    """Stand-in for a character: itself in a word, nothing for an accent, else a space."""

    def __missing__(self, code: int) -> str:
        replacement = _replacement(chr(code))
        if code < _CACHED_BELOW:
            self[code] = replacement
        return replacement


def _replacement(character: str) -> str:
    if combining(character):
        return ""
    kind = category(character)  # as `Lu` for a capital letter
    if kind.startswith(("L", "N", "M")):
        return character
    if kind == "So" and ord(character) >= _FIRST_SYMBOL:
        return character
    return " "


_LETTERS = _Letters()


def words_of_job(job: Job) -> str:
    """The words of the caller's prompt and BFL's, folded."""
    prompts: list[str] = []
    prompt = kept_inputs.prompt(job)
    if prompt:
        prompts.append(prompt)
    rewritten_prompt = job.result.get("prompt")
    if isinstance(rewritten_prompt, str) and rewritten_prompt not in ("", prompt):
        prompts.append(rewritten_prompt)
    text = "\n".join(prompts)
    return fold(text[:TEXT_MAX_CHARS])


def fold(text: str) -> str:
    """Words without case and accents, with one space between them."""
    spaced = _SINGLE_CHARACTER_WORD.sub(r" \1 ", _without_accents(text))
    return " ".join(word[:WORD_MAX_CHARS] for word in spaced.split())


def _without_accents(text: str) -> str:
    decomposed = normalize("NFKD", _VARIATION_SELECTORS.sub("", text))
    # By way of capitals: they make one letter of some that casefold leaves apart (i, dotless i).
    folded = decomposed.upper().casefold()
    letters = normalize("NFKD", folded).translate(_LETTERS)
    return normalize("NFC", letters)


@lru_cache(maxsize=64)  # one list of jobs asks for the same query once for each job
def phrases(query: str) -> tuple[str, ...]:
    """The folded phrases of a query: first its quotations, then its words. Any query is valid."""
    unique_phrases = dict[str, None]()
    for quotation in _QUOTED.finditer(query):
        phrase = fold(quotation[1])
        unique_phrases[phrase] = None
    unquoted = _QUOTED.sub(" ", query)
    for word in _without_accents(unquoted).split():
        phrase = fold(word)
        unique_phrases[phrase] = None
    unique_phrases.pop("", None)
    return tuple(unique_phrases)


def matches(job: Job, query: str) -> bool:
    """Whether all words and phrases are in a job's prompts."""
    text = f" {words_of_job(job)} "
    return all(f" {phrase} " in text for phrase in phrases(query))
