-- The current secret, and the earlier secrets within the window with their age in seconds.
SELECT secret, xxh3, extract(epoch FROM now() - since)::double precision
FROM push_result_exporter.secrets
WHERE since IS NULL OR since > now() - %(window)s * interval '1 second'
