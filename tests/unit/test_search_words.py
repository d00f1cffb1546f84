"""Words of prompts: folding, and queries in which whatever is typed is words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import search_words
from jobs.domain.job_record import Request
from tests.bench import stored_jobs


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("A Castle,  in the FOG!", "a castle in the fog"),
        ("Crème BRÛLÉE, straße", "creme brulee strasse"),
        ("half-timbered_house 4k/8K", "half timbered house 4k 8k"),
        ("50% off; DROP\0TABLE 'x'--", "50 off drop table x"),
        ("霧の城", "霧 の 城"),
        ("한국어 성", "한 국 어 성"),
        ("대한민국의 궁전", "대 한 민 국 의 궁 전"),
        ("人々のカメラ ㄅㄆㄇ ꀀꀁ", "人 々 の カ メ ラ ㄅ ㄆ ㄇ ꀀ ꀁ"),
        ("ÉCOLE e\u0301cole \u0131I", "ecole ecole ii"),
        ("a🦊fox 👩\u200d🎨 ❤️", "a 🦊 fox 👩 🎨 ❤"),
        ("\ud800 half", "half"),
        ("x" * 100, "x" * search_words.WORD_MAX_CHARS),
        ("…!", ""),
    ],
)
def test_a_text_is_folded_to_words(text: str, folded: str) -> None:
    assert search_words.fold(text) == folded


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ("castle fog", ("castle", "fog")),
        ("castle,fog", ("castle", "fog")),
        ('"old castle" FOG', ("old castle", "fog")),
        ('fog "old castle', ("old castle", "fog")),
        ("“old castle” fog", ("old castle", "fog")),
        ("霧の城", ("霧 の 城",)),
        ("민국 궁전", ("민 국", "궁 전")),
        ("castle OR NOT (fog*)", ("castle", "or", "not", "fog")),
        ('words:castle ^fog NEAR("a b", 2)', ("a b", "words", "castle", "fog", "near", "2")),
        ("castle & !fog | a:* <-> b", ("castle", "fog", "a", "b")),
        ('"" "!" %_\\', ()),
    ],
)
def test_whatever_is_typed_is_words(query: str, phrases: tuple[str, ...]) -> None:
    assert search_words.phrases(query) == phrases


def test_the_prompts_of_caller_and_bfl_are_searched() -> None:
    job = stored_jobs.stored(0).evolve(
        request=Request(kept_input={"prompt": "Une CAFÉ"}), result={"prompt": "a small bar"}
    )
    for query in ("cafe bar", '"small bar"', "", "!"):
        assert search_words.matches(job, query)
    for query in ("tea", '"bar small"', '"cafe a"x', "caf"):
        assert not search_words.matches(job, query)


@given(st.text(max_size=300))
def test_a_text_is_found_by_what_it_says(text: str) -> None:
    job = stored_jobs.stored(0).evolve(result={"prompt": text})
    assert search_words.matches(job, text.replace('"', " "))
    assert search_words.matches(job, text.swapcase())
    assert all(phrase == " ".join(phrase.split()) for phrase in search_words.phrases(text))


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("대한민국의 궁전", ("민국", "대한", "한민국의", "궁전", "국의 궁", "전")),
        ("東京タワーの夜景", ("タワー", "京タ", "夜", "東京タワーの夜景")),
        ("夜間霧中城堡", ("霧中", "城堡", "間霧")),
        ("ปราสาทในหมอก", ("หมอก", "สาท")),
        ("한국어로 쓴 flux2모델 프롬프트", ("flux2", "모델", "flux2모", "프롬")),
    ],
)
def test_a_part_of_what_is_written_together_is_found(prompt: str, parts: tuple[str, ...]) -> None:
    job = stored_jobs.stored(0).evolve(result={"prompt": prompt})
    for part in parts:
        assert search_words.matches(job, part), part
    for reversed_part in (part[::-1] for part in parts if part != part[::-1]):
        if reversed_part not in prompt:
            assert not search_words.matches(job, f'"{reversed_part}"'), reversed_part


@given(st.text(max_size=300))
def test_folded_words_are_folded_to_themselves(text: str) -> None:
    folded = search_words.fold(text)
    assert search_words.fold(folded) == folded
