"""The four stages of a job: submit, poll, download, reconcile. None imports another."""
