SELECT source_number, row_id, reason(detail), ST_AsText(location(detail), 6)
FROM (
    SELECT
        {source} AS source_number,
        {row}::text AS row_id,
        ST_IsValidDetail({geometry}) AS detail
    FROM {table}
    WHERE NOT ST_IsValid({geometry})
    ORDER BY {source}, {row}
    LIMIT {limit}
) AS invalid
