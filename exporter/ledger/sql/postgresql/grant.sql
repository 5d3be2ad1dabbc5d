-- The minimum privileges of the exporter's role.
GRANT USAGE ON SCHEMA push_result_exporter TO {role};
GRANT SELECT ON push_result_exporter.schema_version TO {role};
GRANT SELECT, INSERT ON push_result_exporter.secrets TO {role};
GRANT SELECT, TRUNCATE ON push_result_exporter.old_keys TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON push_result_exporter.instances, push_result_exporter.counts TO {role};
GRANT SELECT, UPDATE ON push_result_exporter.slots, push_result_exporter.slot_in_use TO {role};
GRANT SELECT, INSERT, UPDATE ON push_result_exporter.keys TO {role};
GRANT TRUNCATE ON
    push_result_exporter.keys_0, push_result_exporter.keys_1, push_result_exporter.keys_2,
    push_result_exporter.keys_3, push_result_exporter.keys_4, push_result_exporter.keys_5,
    push_result_exporter.keys_6, push_result_exporter.keys_7, push_result_exporter.keys_8,
    push_result_exporter.keys_9, push_result_exporter.keys_10, push_result_exporter.keys_11
    TO {role};
