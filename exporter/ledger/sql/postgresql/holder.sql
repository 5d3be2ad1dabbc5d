SELECT holder FROM push_result_exporter.instances WHERE instance = %(instance)s
