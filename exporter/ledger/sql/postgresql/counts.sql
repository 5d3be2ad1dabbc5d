SELECT channel, code, code_table, app, count, last_at
FROM push_result_exporter.counts WHERE instance = %(instance)s
