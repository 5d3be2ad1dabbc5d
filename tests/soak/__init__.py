"""A long run of replicas over one ledger, outside CI."""
