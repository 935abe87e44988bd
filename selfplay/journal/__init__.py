"""The journal: every sample with its verdict, append-only and safe against a kill."""
