(
    SELECT
        CASE
            WHEN
                ST_GeometryType(linear) IN ('ST_Tin', 'ST_PolyhedralSurface', 'ST_Triangle')
                OR (
                    ST_GeometryType(linear) = 'ST_GeometryCollection'
                    AND ST_AsText(linear) ~ {surfaces}
                )
                THEN COALESCE(
                    (
                        SELECT
                            ST_Collect(
                                CASE
                                    WHEN ST_GeometryType(part.geom) = 'ST_Triangle'
                                        THEN ST_MakePolygon(ST_ExteriorRing(part.geom))
                                    ELSE part.geom
                                END
                                ORDER BY part.path
                            )
                        FROM ST_Dump(linear) AS part
                    ),
                    'MULTIPOLYGON EMPTY'::geometry
                )
            ELSE linear
        END
    FROM (
        SELECT
            CASE
                WHEN ST_GeometryType(own) = 'ST_GeometryCollection'
                    THEN ST_CurveToLine(own, radians({step}), 2, 1)
                WHEN ST_GeometryType(own) IN ('ST_CircularString', 'ST_CompoundCurve')
                    THEN
                        CASE
                            WHEN ST_IsEmpty(own) THEN 'LINESTRING EMPTY'::geometry
                            ELSE ST_CurveToLine(own, radians({step}), 2, 1)
                        END
                WHEN ST_GeometryType(own) = 'ST_CurvePolygon'
                    THEN
                        CASE
                            WHEN ST_IsEmpty(own) THEN 'POLYGON EMPTY'::geometry
                            ELSE ST_CurveToLine(own, radians({step}), 2, 1)
                        END
                WHEN ST_GeometryType(own) IN ('ST_MultiCurve', 'ST_MultiSurface')
                    THEN ST_CurveToLine(own, radians({step}), 2, 1)
                ELSE own
            END AS linear
        FROM (SELECT {geometry} AS own) AS given
    ) AS linearised
)
