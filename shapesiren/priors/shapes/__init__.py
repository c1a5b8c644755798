"""What surfaces look like: a prior over signed distances, learned from a thousand solids, that completes sparse scans.

`network` says how far a place is from the surface that some oriented points belong to; `training` learns that; `completion`
adds points where a scan has none, and samples off the surface; `file` keeps it. ``builtin.safetensors`` comes with the package.
"""
