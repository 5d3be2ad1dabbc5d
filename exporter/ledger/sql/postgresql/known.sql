SELECT key, content FROM push_result_exporter.keys
WHERE key = ANY (%(keys)s::bigint[]) AND at >= now() - %(window)s * interval '1 second'
