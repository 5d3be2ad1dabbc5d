-- A secret of another ledger, whose keys are looked up for one deduplication window. The ledger may
-- have made keys since an earlier copy.
INSERT INTO push_result_exporter.secrets (secret, xxh3, since)
SELECT %(secret)s::bytea, %(xxh3)s, to_timestamp(%(since)s)
WHERE NOT EXISTS (
    SELECT FROM push_result_exporter.secrets
    WHERE secret = %(secret)s::bytea AND since >= to_timestamp(%(since)s)
)
