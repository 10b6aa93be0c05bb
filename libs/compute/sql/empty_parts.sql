-- Geometries of several parts that are not empty, but hold a part that is.
SELECT count(*)
FROM {table}
WHERE CASE
    WHEN ST_GeometryType({geometry}) = 'ST_GeometryCollection'
        THEN NOT ST_IsEmpty({geometry}) AND ST_AsText({geometry}) ~ 'EMPTY'
    WHEN ST_NumGeometries({geometry}) > 1
        THEN ST_NumGeometries({geometry})
            > (SELECT count(*) FROM ST_Dump({geometry}) WHERE NOT ST_IsEmpty(geom))
    END
