"""Submission packs of the challenge servers: zips of 16-bit PNGs (metres * 256) by position, written and read back."""

from benchmark.io.submissions.formats import METRE, PACK_FORMATS, PackFormat
from benchmark.io.submissions.reading import PackPredictions, PackReport, read_pack, verify_pack
from benchmark.io.submissions.writing import encode_png16, write_pack

__all__ = [
    "METRE",
    "PACK_FORMATS",
    "PackFormat",
    "PackPredictions",
    "PackReport",
    "encode_png16",
    "read_pack",
    "verify_pack",
    "write_pack",
]
