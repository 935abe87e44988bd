"""Figures that are counted from the files of a run: pass@k, the ledger, alarms, early stopping."""
