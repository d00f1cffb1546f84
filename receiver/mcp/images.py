"""Images of a request: files of stored jobs by their names, placed into the fields of a model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobs import kept_inputs
from jobs.bfl.model_schemas import Kind
from jobs.bfl.parsing import TASK_ID
from jobs.domain.errors import Invalid, UnknownJob, WrongStatus
from jobs.domain.media_references import replace_texts, texts
from jobs.input_parts import InputPart
from jobs.services import Services
from receiver.blocking_calls import run_in_thread
from receiver.dashboard.form.input_form import FileControl, InputForm
from receiver.job_actions import load_job

JOB_URI = re.compile(r"fluxkeep://jobs/([A-Za-z0-9_-]{1,128})(?:/media/([0-9]{1,3}))?")
_URI = re.compile(r"fluxkeep://\S*")


def with_images(
    services: Services, model: str, given: Mapping[str, Any], images: Sequence[Any]
) -> dict[str, Any]:
    """An input with images in the model's own fields. Raises Invalid, UnknownJob, WrongStatus."""
    left, placed = [("", _named(image)) for image in images], dict(given)
    form = _form(services, model, given)
    for control in _controls(form) if images else ():
        size = int(min(control.most, len(left)))
        placed |= control.place(left[:size], given)
        left = left[size:]
    if left:
        message = f"{model} takes {len(images) - len(left) or 'no'} images"
        raise Invalid([{"field": "images", "message": message}])
    if images and form.selector:
        placed[form.selector] = form.mode
    names = dict.fromkeys(text for text in texts(placed) if _URI.fullmatch(text))
    if len(names) > kept_inputs.FILES_MAX:  # before any is loaded
        raise kept_inputs.too_many_parts()
    return dict(replace_texts(placed, {name: stored_file(services, name) for name in names}))


def _form(services: Services, model: str, given: Mapping[str, Any]) -> InputForm:
    """The fields of the mode that the input names, else of the first one that takes files."""
    endpoints = services.schemas.endpoints()
    form = InputForm.of(endpoints, model, given)
    if form.selector in given or not form.selector:
        return form
    modes = (InputForm.of(endpoints, model, {form.selector: mode}) for mode in form.modes)
    return next((one for one in modes if _controls(one)), form)


def _controls(form: InputForm) -> list[FileControl]:
    return [one for one in form.controls.values() if one.field.kind in (Kind.IMAGE, Kind.VIDEO)]


def _named(image: Any) -> Any:
    """A bare id as the URI of its job."""
    is_id = isinstance(image, str) and TASK_ID.fullmatch(image) and not kept_inputs.is_image(image)
    return f"fluxkeep://jobs/{image}" if is_id else image


def stored_file(services: Services, uri: str) -> InputPart:
    """The stored file that a URI names. Raises UnknownJob, WrongStatus, StorageError."""
    if not (found := JOB_URI.fullmatch(uri)):
        raise UnknownJob
    job, n = load_job(services, found[1]), int(found[2] or 0)
    file = job.media[n] if n < len(job.media) and job.media[n].deleted_at is None else None
    if file is None or run_in_thread(services.storage.size, file.key) != file.bytes:
        raise WrongStatus(f"{uri} is {job.status} and has no such file: name a stored job")
    return InputPart.of_object("input", file)
