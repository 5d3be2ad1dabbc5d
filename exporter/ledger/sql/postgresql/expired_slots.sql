-- The slots whose keys have all expired, oldest first.
SELECT slot FROM push_result_exporter.slots
WHERE ended_at < now() - %(window)s * interval '1 second'
ORDER BY ended_at
