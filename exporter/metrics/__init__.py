"""All metrics; metrics of results are read from the ledger at each scrape."""
