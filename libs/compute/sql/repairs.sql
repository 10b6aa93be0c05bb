SELECT
    substr(ST_GeometryType({before}), 4) AS type_before,
    substr(ST_GeometryType({geometry}), 4) AS type_after,
    count(*) AS rows,
    sum(ST_Area({before})) AS area_before,
    sum(ST_Area({geometry})) AS area_after
FROM {table}
WHERE {before} IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
