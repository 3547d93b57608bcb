"""Raw files of the task sleep-edf-78, those of sleep-edf-20: the cassette study counts whole."""

from tests.tasks import raw_sleep_edf_20

make = raw_sleep_edf_20.make


def expected() -> dict[str, dict[str, int]]:
    """Count the stages of all nights of the cassette study."""
    return raw_sleep_edf_20.expected(("SC4",))
