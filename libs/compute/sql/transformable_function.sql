CREATE OR REPLACE FUNCTION {function}(source geometry, target_srid integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    moved geometry;
BEGIN
    moved := ST_Transform(source, target_srid);
    RETURN ST_XMin(moved) > '-Infinity' AND ST_XMax(moved) < 'Infinity'
        AND ST_YMin(moved) > '-Infinity' AND ST_YMax(moved) < 'Infinity';
EXCEPTION WHEN internal_error THEN
    RETURN false;
END
$$
