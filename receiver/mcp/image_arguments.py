"""Images that an agent names, placed into the fields of the model's input."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs import kept_inputs
from jobs.bfl.model_schemas import Kind
from jobs.bfl.parsing import TASK_ID
from jobs.domain.errors import Invalid, UnknownJob, WrongStatus
from jobs.domain.json_values import replace_texts, texts
from jobs.input_parts import InputPart
from jobs.services import Services
from receiver.blocking_calls import run_in_thread
from receiver.dashboard.form.file_control import FileControl, TimedFile
from receiver.dashboard.form.input_form import InputForm
from receiver.job_actions import load_job
from receiver.mcp.job_uri import JobUri, is_uri, present_file


def with_images(
    services: Services, model: str, model_input: Mapping[str, Any], images: Sequence[Any]
) -> dict[str, Any]:
    """An input with images in the model's own fields. Raises Invalid, UnknownJob, WrongStatus."""
    values = dict(model_input)
    if images:
        values.update(_values_of_images(services, model, model_input, images))
    uris = dict.fromkeys(text for text in texts(values) if is_uri(text))  # each once
    if len(uris) > kept_inputs.FILES_MAX:  # before any is loaded
        raise kept_inputs.too_many_parts()
    parts: dict[str, InputPart] = {}
    for uri in uris:
        parts[uri] = _stored_file(services, uri)
    return dict(replace_texts(values, parts))


def _values_of_images(
    services: Services, model: str, model_input: Mapping[str, Any], images: Sequence[Any]
) -> dict[str, Any]:
    """The values of the fields that hold the images. Raises Invalid for too many images."""
    form = _form(services, model, model_input)
    unplaced_files = [TimedFile("", _uri_of_id(image)) for image in images]
    values: dict[str, Any] = {}
    for control in _image_controls(form):
        number = int(min(control.files_max, len(unplaced_files)))
        values.update(control.place(unplaced_files[:number], model_input))
        unplaced_files = unplaced_files[number:]
    if unplaced_files:
        placed_number = len(images) - len(unplaced_files)
        message = f"{model} takes {placed_number or 'no'} images"
        raise Invalid([{"field": "images", "message": message}])
    if form.selector:
        values[form.selector] = form.mode
    return values


def _form(services: Services, model: str, model_input: Mapping[str, Any]) -> InputForm:
    """The fields of the mode that the input names, else of the first mode that takes files."""
    endpoints = services.schemas.endpoints()
    form = InputForm.for_input(endpoints, model, model_input)
    if form.selector in model_input or not form.selector:
        return form
    for mode in form.modes:
        form_of_mode = InputForm.for_input(endpoints, model, {form.selector: mode})
        if _image_controls(form_of_mode):
            return form_of_mode
    return form


def _image_controls(form: InputForm) -> list[FileControl]:
    """The controls for images and videos."""
    controls = []
    for control in form.controls.values():
        if control.field.kind in (Kind.IMAGE, Kind.VIDEO):
            controls.append(control)
    return controls


def _uri_of_id(image: Any) -> Any:
    """A bare id as the URI of its job; other images as they are."""
    if not isinstance(image, str) or kept_inputs.is_image(image):
        return image
    if TASK_ID.fullmatch(image):
        return str(JobUri(image))
    return image


def _stored_file(services: Services, uri: str) -> InputPart:
    """The stored file that a URI names. Raises UnknownJob, WrongStatus, StorageError."""
    job_uri = JobUri.parse(uri)
    if job_uri is None:
        raise UnknownJob
    job = load_job(services, job_uri.job_id)
    file = present_file(job, job_uri.position or 0)
    if file is None or run_in_thread(services.storage.size, file.key) != file.bytes:
        raise WrongStatus(f"{uri} is {job.status} and has no such file: name a stored job")
    return InputPart.of_object("input", file)
