"""A procedural city with an exact surface: ground, buildings, trees and posts; its distance, and a scan of it of any size."""
