WITH moved AS (
    SELECT row_number, before, ST_Transform(before, {target_srid}) AS after
    FROM (SELECT row_number() OVER () AS row_number, {geometry} AS before FROM {table}) AS numbered
),
edges AS (
    SELECT
        row_number,
        source.geom AS before,
        ST_X(ST_StartPoint(target.geom)) AS x1,
        ST_X(ST_EndPoint(target.geom)) AS x2
    FROM moved
    CROSS JOIN LATERAL ST_DumpSegments(after) AS target
    INNER JOIN LATERAL ST_DumpSegments(before) AS source ON source.path = target.path
    WHERE ST_XMax(after) - ST_XMin(after) > {half_turn}
)
SELECT count(*) OVER (), row_number
FROM edges
WHERE
    abs(x1 - x2) > {half_turn}
    AND abs(
        ST_X(ST_Transform(ST_LineInterpolatePoint(before, 0.5), {target_srid})) - (x1 + x2) / 2
    ) > {half_turn} / 2
GROUP BY row_number
ORDER BY row_number
LIMIT {limit}
