"""The live viewer: a page in the browser that follows a run, finished or being fitted."""
