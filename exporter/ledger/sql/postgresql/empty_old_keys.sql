SET LOCAL lock_timeout = '100ms';
TRUNCATE push_result_exporter.old_keys
