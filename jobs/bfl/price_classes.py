"""Price class of an input: what BFL will make of it, as far as the price depends on that.

BFL reads leniently: `"2048"`, `" 2048 "`, `2048.0` and `true` are numbers. Its document says which
fields a model has; a field that it does not have may still multiply the price.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jobs.bfl.model_schemas import InputField
from jobs.bfl.openapi_document import shipped_endpoints

SIDE_DEFAULT = 1024
MEGAPIXEL = 2**20
AREA_MAX = 64.0  # megapixels; BFL makes none that are larger
COUNT_MAX = 1_000_000.0
MEDIA = "media"
UNREADABLE = "?"
UPSCALE_DEFAULT = 2.0
SECONDS_MAX = 60.0  # where BFL's document does not say
SECONDS_LEAST = 5.0  # of a video; prices that a guess starts from may be of one so short
WORD_MAX_CHARS = 16

# Megapixels of the words that BFL has for sizes; images, then videos.
_AREAS = {
    "768sq": 0.5625,
    "1k": 1.0,
    "1.5k": 2.25,
    "2k": 4.0,
    "4k": 16.0,
    "hd": 1.0,
    "fhd": 2.25,
    "qhd": 4.0,
    "uhd": 9.0,
}
_FLAGS = ("draft", "generate_audio", "grounding", "raw")
_WORDS = ("mode", "creativity")
# How many images or videos one input asks for; BFL's document has no such field today. The words of
# such a name, in snake case or camel case.
_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+", re.ASCII)
_THINGS = frozenset(
    {"image", "images", "output", "outputs", "generation", "generations", "sample", "samples"}
    | {"variant", "variants", "variation", "variations", "result", "results", "video", "videos"}
    | {"picture", "pictures", "copy", "copies", "batch"}
)
_COUNTS = frozenset({"n", "num", "number", "count", "quantity", "batch"})
_MOSTS = frozenset({"max", "total", "amount"})
_FILLERS = frozenset({"of", "per", "prompt", "request", "size", "to", "generate"})
_COUNTS_ALONE = frozenset({"variant", "variants", "variation", "variations", "samples", "copies"})
# Sizes that BFL's document may not have for the model.
_SIZES = frozenset(
    {"duration", "width", "height", "resolution", "upscale_factor", "size", "image_size"}
    | {"megapixels", "output_megapixels", "scale", "upscale", "quality"}
    | {"seconds", "num_frames", "frames", "fps"}
)
_TRUE = frozenset({"true", "1", "1.0", "yes", "y", "on", "t"})
_FALSE = frozenset({"false", "0", "0.0", "no", "n", "off", "f"})
_PLAIN = re.compile(r"[A-Za-z0-9._:-]+", re.ASCII)
# A reference of a kept input (`jobs/kept_inputs.py`), or a URL that BFL fetches.
_MEDIA = re.compile(r"(input|json):[0-9]{1,2}|https?://.*|data:.*", re.DOTALL | re.IGNORECASE)
_AREA = re.compile(r"([0-9.]+)mp", re.ASCII)
_SECONDS = re.compile(r"([0-9.]+)s", re.ASCII)


class PriceClass(NamedTuple):
    """The properties of an input on which its price depends.

    Inputs with one `signature` differ in area and duration only: their prices can be compared.
    `multiplier` is of fields that the model is not known to have. A value that cannot be read
    counts as the largest; the class `is_certain` without such.
    """

    signature: str = ""
    area: float = 1.0  # in megapixels, or times the input's
    seconds: float = 0.0
    multiplier: float = 1.0
    is_certain: bool = True

    @property
    def name(self) -> str:
        """The class as one text, from which `parse` reads it."""
        words = []
        if self.signature:
            words.append(self.signature)
        if self.area != 1.0:
            words.append(f"{self.area:g}mp")
        if self.seconds:
            words.append(f"{self.seconds:g}s")
        return " ".join(words)

    @classmethod
    def parse(cls, name: str) -> "PriceClass":
        """The class of a name, also of one that an earlier release has written."""
        area = 1.0
        seconds = 0.0
        signature = []
        for word in name.split():
            area_match = _AREA.fullmatch(word)
            seconds_match = _SECONDS.fullmatch(word)
            if area_match is not None:
                area = _finite(area_match[1]) or 1.0
            elif seconds_match is not None:
                seconds = _finite(seconds_match[1]) or 0.0
            else:
                signature.append(word)
        return cls(" ".join(signature), area, seconds)

    @property
    def has_media(self) -> bool:
        return any(word.startswith(MEDIA) for word in self.signature.split())

    def times(self, smaller: "PriceClass") -> float:
        """How many times the price of another class this one costs at most.

        Prices rise more slowly than the area and the duration, since the first megapixel costs the
        most; nothing is cheaper by being smaller for certain.
        """
        by_area = max(self.area / smaller.area, 1.0)
        by_duration = 1.0
        if self.seconds and smaller.seconds:
            by_duration = max(self.seconds / smaller.seconds, 1.0)
        return by_area * by_duration


def price_class(model: str | None, values: Mapping[str, Any]) -> PriceClass:
    """The class of a kept input for a model."""
    return _Reader(model or "", values).read()


def bounded_price(
    input_class: PriceClass, prices: Mapping[str, float]
) -> tuple[float | None, bool]:
    """The most that an input of this class may cost, by known prices of the model.

    Also whether that is a guess: no price is known for an input that differs in its size alone.
    """
    if not prices:
        return None, False
    prices_by_size = []
    for class_name, price in prices.items():
        priced_class = PriceClass.parse(class_name)
        if priced_class.signature == input_class.signature:
            prices_by_size.append(price * input_class.times(priced_class))
    if not prices_by_size:
        return _guessed_price(input_class, prices), True
    # Each price bounds what an input without media costs; a size that nobody can read may be larger
    # than each of them.
    if input_class.has_media or not input_class.is_certain:
        return max(prices_by_size), False
    return min(prices_by_size), False


def _guessed_price(input_class: PriceClass, prices: Mapping[str, float]) -> float:
    """The dearest price of the model, as if it had been of its smallest image or video."""
    smallest_class = PriceClass()
    if input_class.seconds:
        smallest_class = PriceClass(seconds=SECONDS_LEAST)
    dearest_price = max(prices.values())
    return dearest_price * input_class.times(smallest_class) * input_class.multiplier


class _Reader:
    """Reads the values of an input as BFL does."""

    def __init__(self, model: str, values: Mapping[str, Any]) -> None:
        self._values = values
        self._fields: Mapping[str, InputField] = {}
        self._mode = ""
        self._multiplier = 1.0
        self._is_certain = True
        endpoint = shipped_endpoints().get(model)
        if endpoint is not None:
            self._mode = endpoint.mode_of(values)
            self._fields = endpoint.modes[self._mode].fields

    def read(self) -> PriceClass:
        words = []
        if self._mode:
            words.append(f"mode={self._mode}")
        words += self._flags_and_words()
        words += self._unknown_fields()
        media_count = len(list(_media(self._values)))
        if media_count == 1:
            words.append(MEDIA)
        elif media_count > 1:
            words.append(f"{MEDIA}={media_count}")
        area = self._area()
        seconds, is_chosen_by_bfl = self._seconds()
        if is_chosen_by_bfl:
            words.append("duration=auto")
        return PriceClass(" ".join(words), area, seconds, self._multiplier, self._is_certain)

    def _flags_and_words(self) -> Iterator[str]:
        for name in (*_FLAGS, *_WORDS):
            value = self._values.get(name)
            if name == "mode" and self._mode:
                continue
            default = self._default(name)
            if value is None or value == default:
                continue
            if name in _FLAGS:
                word = self._flag(value)
                if word == str(default).lower():
                    continue
            else:
                word = self._word(value)
            yield f"{name}={word}"

    def _unknown_fields(self) -> Iterator[str]:
        """Counts, and sizes that BFL's document does not have for the model."""
        for name in sorted(self._values):
            value = self._values[name]
            if value is None:
                continue
            is_foreign_size = name in _SIZES and bool(self._fields) and name not in self._fields
            if is_foreign_size:
                yield f"{name}={self._word(value)}"
                continue
            if not _is_count(name) or any(_media({name: value})):
                continue
            count = _finite(value)
            if count is None or count > COUNT_MAX:
                self._is_certain = False
                count = COUNT_MAX
            if count > 1:
                self._multiplier *= math.ceil(count)
                yield f"{name}={math.ceil(count)}"

    def _area(self) -> float:
        area = 1.0
        if self._has("width") or self._has("height"):
            pixels = self._side("width") * self._side("height")
            area = float(math.ceil(pixels / MEGAPIXEL))  # BFL bills whole megapixels
        if self._has("resolution"):
            word = self._word(self._value_or_default("resolution"))
            if word not in _AREAS:
                self._is_certain = False
            area = max(area, _AREAS.get(word, max(_AREAS.values())))
        if self._has("upscale_factor"):
            factor = self._number("upscale_factor", UPSCALE_DEFAULT, AREA_MAX)
            area = max(area, factor * factor)
        return min(max(area, _AREAS["768sq"]), AREA_MAX)

    def _side(self, name: str) -> float:
        default = self._default(name)
        is_number = isinstance(default, int | float) and not isinstance(default, bool)
        usual = float(SIDE_DEFAULT)
        if is_number and default:
            usual = float(default)
        return self._number(name, usual, math.sqrt(AREA_MAX * MEGAPIXEL))

    def _seconds(self) -> tuple[float, bool]:
        """Seconds of a video, and whether BFL chooses them; 0 for what has no duration."""
        if not self._has("duration"):
            return 0.0, False
        value = self._value_or_default("duration")
        if isinstance(value, str) and value.strip() == "auto":
            return self._largest("duration", SECONDS_MAX), True
        return self._number("duration", SECONDS_LEAST, SECONDS_MAX), False

    def _number(self, name: str, usual: float, largest: float) -> float:
        """A number as BFL reads it, at most its document's maximum, which an unreadable one is."""
        largest = self._largest(name, largest)
        value = self._value_or_default(name)
        if value is None:
            return usual
        number = _finite(value)
        if number is None:
            self._is_certain = False
            return largest
        if number <= 0:  # BFL's document has 0 where BFL decides
            return usual
        return min(number, largest)

    def _largest(self, name: str, otherwise: float) -> float:
        field = self._fields.get(name)
        if field is None:
            return otherwise
        return min(field.bounds.get("maximum", otherwise), otherwise)

    def _has(self, name: str) -> bool:
        """Whether the value counts: the model has the field, or nothing is known of the model."""
        if self._fields:
            return name in self._fields
        return self._values.get(name) is not None

    def _value_or_default(self, name: str) -> Any:
        value = self._values.get(name)
        if value is None:
            return self._default(name)
        return value

    def _default(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None:
            return None
        return field.default

    def _flag(self, value: Any) -> str:
        word = str(value).strip().lower()
        if word in _TRUE:
            return "true"
        if word in _FALSE:
            return "false"
        self._is_certain = False
        return UNREADABLE

    def _word(self, value: Any) -> str:
        """A value as it stands in a signature."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            word = str(value).strip()
            if len(word) <= WORD_MAX_CHARS and _PLAIN.fullmatch(word):
                return word
        self._is_certain = False
        return UNREADABLE


def _is_count(name: str) -> bool:
    """Whether a field of this name asks for several: `num_images_per_prompt`, `maxImages`, `n`."""
    words = {word.lower() for word in _WORD_OF_NAME.findall(name)} - _FILLERS
    if not words <= _THINGS | _COUNTS | _MOSTS:
        return False
    if words & _COUNTS:
        return True
    has_most = bool(words & _MOSTS) and bool(words & _THINGS)
    return has_most or (bool(words) and words <= _COUNTS_ALONE)


def _finite(value: Any) -> float | None:
    """A number or the text of one, as a lenient reader takes it; None for all else."""
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return number


def _media(values: Mapping[str, Any]) -> Iterator[str]:
    """The images and videos of an input, also of lists: the price may depend on their size."""
    waiting: list[tuple[Any, bool]] = [(value, False) for value in values.values()]
    while waiting:
        value, is_inside = waiting.pop()
        if isinstance(value, str):
            if _MEDIA.fullmatch(value) or is_inside:
                yield value
        elif isinstance(value, list):
            waiting += [(item, True) for item in value]
        elif isinstance(value, dict):
            waiting += [(item, True) for item in value.values()]
