"""A request that cannot be answered, with the status that says so."""

from __future__ import annotations

from physioprep.errors import PhysioprepError


class RefusedError(PhysioprepError):
    """What a request asks for is wrong, or not there.

    Parameters
    ----------
    cause : str
        One sentence for whoever looks at the page.
    status : int
        Of HTTP: 400 a wrong request, 403 not allowed, 404 not there.
    """

    def __init__(self, cause: str, status: int = 400) -> None:
        super().__init__(cause)
        self.status = status
