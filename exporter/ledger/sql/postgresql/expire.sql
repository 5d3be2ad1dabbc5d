-- A slice of all keys: their hashes are spread evenly, and no index but the primary key is needed.
DELETE FROM push_result_exporter.keys
WHERE key BETWEEN %(first)s AND %(last)s AND at < now() - %(window)s * interval '1 second'
