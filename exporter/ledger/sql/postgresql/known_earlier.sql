SET LOCAL enable_seqscan = off;
SELECT key, coalesce(content, 0) FROM push_result_exporter.keys
WHERE key = ANY (%(keys)s::bigint[])
    AND at >= push_result_exporter.seconds(now() - %(window)s * interval '1 second')
UNION ALL
SELECT key, content FROM push_result_exporter.old_keys
WHERE key = ANY (%(keys)s::bigint[]) AND at >= now() - %(window)s * interval '1 second'
