-- Whether there are keys of version 1 that have all expired.
SELECT EXISTS (SELECT FROM push_result_exporter.old_keys)
FROM push_result_exporter.secrets
WHERE xxh3 AND secret = '' AND since < now() - %(window)s * interval '1 second'
