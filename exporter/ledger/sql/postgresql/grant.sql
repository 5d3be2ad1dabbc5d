-- What the exporter's role needs, and no more.
GRANT USAGE ON SCHEMA push_result_exporter TO {role};
GRANT SELECT ON push_result_exporter.schema_version TO {role};
GRANT SELECT, INSERT ON push_result_exporter.secrets TO {role};
GRANT SELECT, TRUNCATE ON push_result_exporter.old_keys TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON push_result_exporter.instances, push_result_exporter.counts, push_result_exporter.keys
    TO {role};
