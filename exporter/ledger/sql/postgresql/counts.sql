SELECT channel, code, code_table, count, last_at
FROM push_result_exporter.counts WHERE instance = %(instance)s
