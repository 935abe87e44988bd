"""The sandbox that programs run in."""
