SELECT
    count(*) FILTER (WHERE is_broken) AS broken,
    (array_agg(row_number ORDER BY row_number) FILTER (WHERE is_broken))[1:{limit}] AS first_broken,
    count(*) FILTER (WHERE lacks_z AND NOT is_broken) AS without_z,
    (
        array_agg(row_number ORDER BY row_number) FILTER (WHERE lacks_z AND NOT is_broken)
    )[1:{limit}] AS first_without_z
FROM (
    SELECT
        numbered.row_number,
        bool_or(
            NOT abs(ST_X(vertex.geom)) < 'Infinity'
            OR NOT abs(ST_Y(vertex.geom)) < 'Infinity'
            OR abs(ST_Z(vertex.geom)) = 'Infinity'
        ) AS is_broken,
        COALESCE(bool_or(ST_Z(vertex.geom) = 'NaN'), FALSE) AS lacks_z
    FROM (SELECT row_number() OVER () AS row_number, {geometry} FROM {table}) AS numbered
    CROSS JOIN LATERAL ST_DumpPoints(numbered.{geometry}) AS vertex
    WHERE {may_not_be_finite}
    GROUP BY numbered.row_number
) AS surveyed
