"""Files of the job that a form repeats: the form shows them, and a submission uses them again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs import kept_inputs
from jobs.domain.errors import FluxkeepError, WrongStatus
from jobs.domain.job import Job
from jobs.input_parts import InputPart
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.dashboard.job_card import path_of
from receiver.job_actions import load_job

INPUT_DELETED = "Images or long texts of that job were deleted. Add them again."


class KeptFile(NamedTuple):
    """A file that the form shows: its number in the input, and the path of a link to it."""

    n: int
    src: str
    is_image: bool


def list_files(job_id: str) -> list[KeptFile]:
    """The files of a job's input; none if the job is unknown."""
    try:
        services = current_services()
        job = load_job(services, job_id)
        links = services.links_to(job, is_input=True)
    except FluxkeepError:
        return []
    kept_files = []
    for n, file in enumerate(job.request.input_files):
        is_image = file.content_type.startswith("image/")
        kept_files.append(KeptFile(n, path_of(links[n]), is_image))
    return kept_files


class RepeatedFiles:
    """The files of the job that a form repeats; none if the form repeats no job."""

    def __init__(self, original: Job | None) -> None:
        self._original = original

    def load(self, text: str) -> InputPart | None:
        """The file that `input:<n>` names; None for any other text.

        Raises WrongStatus if the file was deleted, and StorageError.
        """
        numbers = kept_inputs.file_numbers({"": text})
        if not numbers:
            return None
        number = numbers[0]
        if self._original is None or number >= len(self._original.request.input_files):
            raise WrongStatus(INPUT_DELETED)
        file = self._original.request.input_files[number]
        if run_in_thread(current_services().storage.size, file.key) != file.bytes:
            raise WrongStatus(INPUT_DELETED)
        return InputPart.of_object("input", file)

    def load_all(self, values: Mapping[str, Any]) -> dict[str, InputPart]:
        """The files that an input names, by the texts that name them. Raises what `load` raises."""
        if self._original is None:
            return {}
        files = {}
        for number in kept_inputs.file_numbers(values):
            text = f"input:{number}"
            part = self.load(text)
            if part is not None:
                files[text] = part
        return files
