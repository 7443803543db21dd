"""`python -m thas` is the same as `thas`."""

from .cli import main

if __name__ == "__main__":
    main()
