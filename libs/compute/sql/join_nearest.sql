CREATE UNLOGGED TABLE {pairs} AS
SELECT l.ctid AS left_row, nearest.right_row, nearest.distance_m
FROM {left} AS l
CROSS JOIN LATERAL (
    SELECT r.ctid AS right_row, ST_Distance(l.__geog, r.__geog) AS distance_m
    FROM {right} AS r
    WHERE ST_DWithin(l.__geog, r.__geog, {max_distance_m})
    ORDER BY distance_m, r.ctid
    LIMIT 1
) AS nearest
