SELECT
    instance,
    holder <> '' AND seen_at >= now() - %(lease)s * interval '1 second',
    coalesce(total, 0),
    extract(epoch FROM committed_at)::double precision,
    extract(epoch FROM now() - seen_at)::double precision
FROM push_result_exporter.instances
LEFT JOIN (
    SELECT instance, sum(count)::bigint AS total
    FROM push_result_exporter.counts GROUP BY instance
) AS totals USING (instance)
ORDER BY instance
