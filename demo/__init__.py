"""The demo of the temporal half, `thas demo`: generated videos, and the whole way from them to mAP."""
