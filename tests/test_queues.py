from __future__ import annotations

import pytest
from celery import Celery

from farm_tasks import queues, submit
from farm_tasks.errors import InvalidArgument
from farm_tasks.queues import ALL, DEFAULT, DOWNLOADS, MEDIA, SMALL, UPLOADS, queue_of
from tests.support.environment import environment_of

REDIS = {"FARM_TASKS_BROKER_URL": "redis://127.0.0.1/0"}
RABBITMQ = {"FARM_TASKS_BROKER_URL": "amqp://127.0.0.1//"}
FUNCTIONS = [name for name in submit.__all__ if name[0].islower() and name != "recent"]
MIB = 1024**2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_a_queue_and_none_is_left_to_the_default(function: str) -> None:
    assert queue_of(function, {}) in {UPLOADS, DOWNLOADS, SMALL}
    large = queue_of(function, {"attachments": ["/a"]}, 20 * 10**9)
    assert (large == UPLOADS) == function.startswith(
        ("add_", "batch_", "publish", "upload_preview", "upload_working")
    )


def test_frames_go_where_a_worker_can_make_a_movie_of_them() -> None:
    assert queue_of("publish", {"frames": "/a.####.exr"}, 10) == MEDIA
    assert queue_of("publish", {"previews": ["/a.mp4"], "wait_until_ready": True}, 10) == UPLOADS
    assert queue_of("publish", {"previews": ["/a.mp4"]}, 10) == SMALL
    assert queues.named("media") == [MEDIA]


def test_an_upload_is_small_if_all_its_files_are_seen_to_be() -> None:
    assert queue_of("upload_preview_file", {}, 8 * MIB) == SMALL
    assert queue_of("upload_preview_file", {}, 8 * MIB + 1) == UPLOADS
    assert queue_of("upload_preview_file", {}, None) == UPLOADS
    assert queue_of("download_preview_file", {}, 1) == DOWNLOADS
    with environment_of({"FARM_TASKS_SMALL_BYTES": "10"}):
        assert queue_of("upload_preview_file", {}, 11) == UPLOADS
    with environment_of({"FARM_TASKS_SMALL_BYTES": "0"}):
        assert queue_of("upload_preview_file", {}, 1) == UPLOADS
        assert queue_of("upload_person_avatar", {}, 1) == SMALL


def test_what_waits_for_kitsu_keeps_no_small_slot_meanwhile() -> None:
    assert queue_of("publish_preview", {"wait_until_ready": True}, 10) == UPLOADS
    assert queue_of("publish_preview", {"wait_until_ready": False}, 10) == SMALL


def test_a_comment_is_small_unless_it_has_files() -> None:
    assert queue_of("add_comment", {"attachments": None}) == SMALL
    assert queue_of("add_comment", {"attachments": ["/a.exr"]}) == UPLOADS
    assert queue_of("batch_comments", {"comments": [{"text": "fine"}]}) == SMALL
    with_files = [{"text": "fine"}, {"preview_files": ["/a.mp4"]}]
    assert queue_of("batch_comments", {"comments": with_files}) == UPLOADS


def test_queues_are_named_in_short_or_in_full() -> None:
    assert queues.named("uploads, farm_tasks.small,uploads") == [UPLOADS, SMALL]
    assert queues.named("default,downloads") == [DEFAULT, DOWNLOADS]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("upload", "Did you mean uploads"),
        ("farm_task.small", "Did you mean farm_tasks.small"),
        ("movies!", "There are default, uploads, downloads, small"),
        (" , ", "No queue is named"),
    ],
)
def test_a_queue_that_is_not_there_is_refused_with_the_near_ones(given: str, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=hint):
        queues.named(given)


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ])
def test_priorities_have_the_numbers_of_the_broker_and_are_read_back(
    broker: dict[str, str],
) -> None:
    with environment_of(broker):
        numbers = [queues.priority_number(one) for one in queues.PRIORITIES]
        assert [queues.priority_name(one) for one in numbers] == ["high", "normal", "low"]
        assert queues.priority_name(None) == queues.priority_name(0) == "normal"
        if broker is RABBITMQ:
            assert numbers == sorted(numbers, reverse=True)
        else:
            places = [queues.READING_ORDER.index(one) for one in numbers]
            assert places == sorted(places)
        with pytest.raises(InvalidArgument, match="none of high, normal, low"):
            queues.priority_number("urgent")
        with pytest.raises(InvalidArgument, match="none of high, normal, low"):
            queues.priority_number(["high"])


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ])
def test_what_is_sent_by_its_name_alone_is_routed_by_the_configuration(
    broker: dict[str, str],
) -> None:
    with environment_of(broker):
        app = Celery(set_as_current=False)
        app.config_from_object("worker_config.celeryconfig")

        def route(function: str, *args: object, **kwargs: object) -> str:
            options = app.amqp.router.route({}, f"farm_tasks.{function}", args, kwargs)
            return str(options["queue"].name)

        assert route("upload_working_file", "id", "/a") == UPLOADS
        assert route("download_preview_file", preview_file="id", file_path="/a") == DOWNLOADS
        assert route("add_comment", task="id", task_status="id") == SMALL
        assert route("add_comment", "id", "id", "", None, None, ["/a"]) == UPLOADS
        explicit = app.amqp.router.route({"queue": DEFAULT}, "farm_tasks.add_comment", (), {})
        assert explicit["queue"].name == DEFAULT
        assert set(app.amqp.queues.consume_from) == set(ALL)
        # RabbitMQ refuses a queue that is declared in two ways.
        plain = Celery(set_as_current=False).amqp.queues[DEFAULT]
        ours = app.amqp.queues[DEFAULT]
        assert (ours.queue_arguments or None, ours.exchange, ours.routing_key, ours.durable) == (
            plain.queue_arguments or None, plain.exchange, plain.routing_key, plain.durable
        )  # fmt: skip
