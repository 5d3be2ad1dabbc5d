SELECT push_result_exporter.advance(%(age)s * interval '1 second')
