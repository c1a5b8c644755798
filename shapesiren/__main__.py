"""``python -m shapesiren``."""

from .cli import main

main()
