SELECT * FROM push_result_exporter.commit(
    %(instance)s, %(epoch)s, %(number)s, %(at)s, %(window)s * interval '1 second',
    %(keys)s::bigint[], %(contents)s::bigint[], %(deliveries)s::integer[],
    %(channels)s::text[], %(codes)s::text[], %(tables)s::text[], %(apps)s::text[],
    %(counts)s::bigint[],
    %(delivery)s::integer[], %(series)s::integer[], %(each)s::bigint[]
)
