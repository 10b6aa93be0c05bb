NOT abs(
    CASE ST_GeometryType({geometry})
        WHEN 'ST_Point'
            THEN ST_X({geometry}) + ST_Y({geometry}) + COALESCE(ST_Z({geometry}), 0)
        WHEN 'ST_LineString' THEN ST_3DLength({geometry})
        WHEN 'ST_MultiLineString' THEN ST_3DLength({geometry})
        WHEN 'ST_Polygon' THEN ST_3DPerimeter({geometry})
        WHEN 'ST_MultiPolygon' THEN ST_3DPerimeter({geometry})
        ELSE 'NaN'
    END
) < 'Infinity'
