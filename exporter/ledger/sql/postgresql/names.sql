-- All names, whether each is a leased name, and whether it is free.
SELECT
    instance, leased,
    holder = '' OR seen_at < now() - %(lease)s * interval '1 second' AS free
FROM push_result_exporter.instances
