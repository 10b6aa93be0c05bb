SELECT count(*) OVER (), row_number, x, y
FROM (
    SELECT
        row_number,
        CASE WHEN ST_XMax(geometry) > {max_x} THEN ST_XMax(geometry) ELSE ST_XMin(geometry) END AS x,
        CASE WHEN ST_YMax(geometry) > {max_y} THEN ST_YMax(geometry) ELSE ST_YMin(geometry) END AS y
    FROM (
        SELECT row_number() OVER () AS row_number, {geometry} AS geometry FROM {table}
    ) AS numbered
) AS farthest
WHERE abs(x) > {max_x} OR abs(y) > {max_y}
ORDER BY row_number
LIMIT {limit}
