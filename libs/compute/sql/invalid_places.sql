SELECT row_number, reason(detail), ST_AsText(location(detail), 6)
FROM (
    SELECT row_number, ST_IsValidDetail({geometry}) AS detail
    FROM (SELECT row_number() OVER () AS row_number, {geometry} FROM {table}) AS numbered
    WHERE NOT ST_IsValid({geometry})
    LIMIT {limit}
) AS invalid
