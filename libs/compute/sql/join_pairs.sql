CREATE UNLOGGED TABLE {pairs} AS
SELECT l.ctid AS left_row, r.ctid AS right_row, NULL::double precision AS distance_m
FROM {left} AS l
JOIN {right} AS r ON {condition}
