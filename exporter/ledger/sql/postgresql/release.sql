UPDATE push_result_exporter.instances SET holder = '', seen_at = now()
WHERE instance = %(instance)s AND epoch = %(epoch)s
