"""A listener: every progress event of a fit as a line of ``losses.csv`` in the current folder.

shapesiren fit scan.ply --plugin docs/examples/plugins/to_csv.py
"""

import csv

import shapesiren
from shapesiren.fitting.events import Event, Progress, Started


@shapesiren.plugin.listener
def to_csv(event: Event) -> None:
    if isinstance(event, Started):
        open("losses.csv", "a" if event.resumed else "w").close()
    elif isinstance(event, Progress):
        with open("losses.csv", "a", newline="") as file:
            csv.writer(file).writerow([event.step, f"{event.seconds:.2f}", sum(event.losses.values())])
