"""Every metric: names, labels, help; those of results are read from the ledger at each scrape."""
