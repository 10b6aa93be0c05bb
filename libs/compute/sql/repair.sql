CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN ST_IsEmpty(valid) OR ST_Dimension(valid) < ST_Dimension(source.{geometry})
                THEN NULL
            WHEN ST_GeometryType(source.{geometry}) LIKE 'ST_Multi%' THEN ST_Multi(valid)
            ELSE valid
        END AS geometry
    FROM (
        SELECT
            CASE
                WHEN
                    ST_IsValid(source.{geometry})
                    OR NOT source.can_repair
                    OR ST_Zmflag(source.{geometry}) IN (1, 3)
                    THEN NULL
                WHEN ST_GeometryType(source.{geometry}) = 'ST_GeometryCollection'
                    THEN ST_MakeValid(source.{geometry}, 'method=structure keepcollapsed=true')
                ELSE ST_MakeValid(source.{geometry}, 'method=structure keepcollapsed=false')
            END AS valid
        OFFSET 0
    ) AS made
    OFFSET 0
) AS repair
