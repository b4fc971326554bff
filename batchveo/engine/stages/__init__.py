"""The stages of a job: submit, poll, download, reconcile, check. None imports another."""
