SELECT
    substr(ST_GeometryType({geometry}), 4) AS type_name,
    ST_Zmflag({geometry}) AS zm_flag,
    count(*) AS rows,
    count(*) FILTER (WHERE ST_IsEmpty({geometry})) AS empty_rows,
    sum(ST_NPoints({geometry})) AS vertices,
    min(ST_XMin({geometry})) AS xmin,
    min(ST_YMin({geometry})) AS ymin,
    max(ST_XMax({geometry})) AS xmax,
    max(ST_YMax({geometry})) AS ymax
FROM {table}
GROUP BY ST_GeometryType({geometry}), ST_Zmflag({geometry})
ORDER BY 1, 2
