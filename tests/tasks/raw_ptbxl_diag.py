"""Raw files of the task ptbxl-diag, simulated in the structure of PTB-XL."""

from functools import partial

from tests.tasks import ptbxl

make = ptbxl.make
expected = partial(ptbxl.expected, "diag")
