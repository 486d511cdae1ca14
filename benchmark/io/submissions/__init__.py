"""Submission packs of the challenge servers: zips of 16-bit PNGs (metres * 256) by position, written and read back."""

from benchmark.io.submissions.formats import METRE, PACK_FORMATS, STREET_M, PackFormat
from benchmark.io.submissions.reading import PackPredictions, read_pack
from benchmark.io.submissions.writing import encode_png16, write_pack

__all__ = [
    "METRE",
    "PACK_FORMATS",
    "STREET_M",
    "PackFormat",
    "PackPredictions",
    "encode_png16",
    "read_pack",
    "write_pack",
]
