WITH densified AS (
    SELECT ST_Transform(
        ST_Segmentize(ST_GeomFromText({ring}, {srid}), {step}), 4326
    ) AS shape
),
shifted AS (
    SELECT shape, ST_ShiftLongitude(shape) AS east FROM densified
),
whole AS (
    SELECT
        CASE
            WHEN ST_XMax(shape) > 180 THEN ST_WrapX(shape, 180, -360)
            WHEN ST_XMin(shape) < -180 THEN ST_WrapX(shape, -180, 360)
            WHEN
                ST_XMax(shape) - ST_XMin(shape) > 180
                AND ST_XMax(east) - ST_XMin(east) < 180
                THEN ST_WrapX(east, 180, -360)
            ELSE shape
        END AS shape,
        ST_XMax(east) - ST_XMin(east) > 180 AS is_wide
    FROM shifted
)
SELECT
    ST_AsGeoJSON(shape, 9) AS footprint,
    is_wide,
    ST_XMin(shape) AS xmin,
    ST_YMin(shape) AS ymin,
    ST_XMax(shape) AS xmax,
    ST_YMax(shape) AS ymax
FROM whole
