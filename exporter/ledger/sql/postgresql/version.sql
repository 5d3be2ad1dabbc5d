SELECT version, current_setting('synchronous_commit') FROM push_result_exporter.schema_version
