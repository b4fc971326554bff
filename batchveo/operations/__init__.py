"""What a person can ask for, one verb a file: run, plan, status, audit, verify, and so on."""
