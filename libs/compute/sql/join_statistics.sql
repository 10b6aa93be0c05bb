SELECT
    (SELECT count(*) FROM {left}) AS left_rows,
    (SELECT count(*) FROM {right}) AS right_rows,
    (SELECT count(*) FROM {left} AS l WHERE {left_null}) AS left_null_keys,
    (SELECT count(*) FROM {right} AS r WHERE {right_null}) AS right_null_keys,
    (SELECT count(*) FROM {pairs}) AS pairs,
    (SELECT count(DISTINCT left_row) FROM {pairs}) AS left_matched,
    (SELECT count(DISTINCT right_row) FROM {pairs}) AS right_matched,
    (SELECT count(*) FROM (SELECT 1 FROM {pairs} GROUP BY left_row HAVING count(*) > 1) AS many),
    (SELECT count(*) FROM (SELECT 1 FROM {pairs} GROUP BY right_row HAVING count(*) > 1) AS many)
