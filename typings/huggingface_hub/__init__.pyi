"""What the package uses of huggingface_hub, which comes with optional extras."""

from . import constants as constants
from . import errors as errors

def try_to_load_from_cache(repo_id: str, filename: str) -> object: ...
def snapshot_download(repo_id: str, *, allow_patterns: list[str]) -> str: ...
