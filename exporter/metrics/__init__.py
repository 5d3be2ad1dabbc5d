"""Every metric; those of results are read from the ledger at each scrape."""
