SELECT push_result_exporter.empty_slot(%(slot)s::smallint, %(window)s * interval '1 second')
