SELECT
    count(*) OVER (),
    row_number,
    (SELECT ST_AsText((ST_DumpPoints(geometry)).geom, 6) LIMIT 1)
FROM (SELECT row_number() OVER () AS row_number, {geometry} AS geometry FROM {table}) AS numbered
WHERE NOT {function}(geometry, {target_srid})
ORDER BY row_number
LIMIT {limit}
