"""Clouds of any size: an on-disk octree of tiles, each fitted and meshed by itself, one field and one mesh of them all."""
