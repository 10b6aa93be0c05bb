SELECT
    ST_X(before), ST_Y(before), ST_Z(before),
    ST_X(after), ST_Y(after), ST_Z(after)
FROM (
    SELECT before, ST_Transform(before, {target_srid}) AS after
    FROM (
        SELECT (SELECT (ST_DumpPoints({geometry})).geom LIMIT 1) AS before
        FROM {table} TABLESAMPLE BERNOULLI ({percent}) REPEATABLE (1)
        LIMIT {limit}
    ) AS sampled
) AS moved
WHERE before IS NOT NULL
